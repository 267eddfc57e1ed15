//! `pelk data check`

mod duplicates;
mod faults;
mod report;
mod survey;

use crate::datasets::{annotated, data_config, exif, names, open_lenient_in};
use crate::folders::shown;
use crate::output::say;
use crate::threads::in_pool;
use anyhow::{Context, Error, Result, anyhow, bail};
use faults::Fault;
use pelk_data::{DatasetName, EXCLUDED, Excluded, Exif, Split, counted, image_files_below, recognize};
use pelk_train::{CanvasConfig, DataConfig};
use report::{Findings, Part, Rest};
use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use survey::{Survey, unreadable};

/// Read every image of a dataset and report its contents and problems
///
/// Prints the number of images, classes, sizes, formats and oddities, what was passed over, duplicate images
/// (above all those in both the training and the test set), faults of the folders, and every file that cannot
/// be read, with a remedy for each kind. The exit status is 1 if there is a fault or such a file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pelk data check my-photos\n  pelk data check my-photos --exclude")]
pub struct CheckArgs {
    /// Folder with the dataset's files
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The dataset [default: recognized from the files in the folder]
    #[arg(long, value_name = "NAME", value_parser = names())]
    task: Option<DatasetName>,
    /// Annotation file in COCO's format, instead of those with the usual names in the folder; given twice, the
    /// second file is for testing
    #[arg(long, value_name = "FILE")]
    annotations: Vec<PathBuf>,
    /// What to do with the EXIF orientation of images, as the configuration key data.exif does [default:
    /// ignore]
    #[arg(long, value_name = "HOW", value_parser = exif())]
    exif: Option<Exif>,
    /// List unreadable images in DIR/excluded.txt, so that training skips them; for datasets whose images are
    /// files
    #[arg(long)]
    exclude: bool,
    /// Number of threads [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Runs the command.
///
/// # Errors
/// When an image cannot be read, unless it is excluded.
pub fn run(args: &CheckArgs) -> Result<()> {
    in_pool(args.threads, || check(args))
}

fn check(args: &CheckArgs) -> Result<()> {
    let folder = args.folder.as_path();
    let task = match args.task {
        Some(task) => task,
        None if !args.annotations.is_empty() => DatasetName::Coco,
        None => recognize(folder)?,
    };
    if args.exclude && !task.can_exclude() {
        bail!(
            "--exclude works only for images with files of their own, but {} is {task}: repair its files instead",
            folder.display()
        );
    }
    say!("{}: {task}\n", shown(folder));
    let config = data_config(task.name(), CanvasConfig::default(), &[])?;
    let mut config = annotated(&config, &args.annotations);
    config.exif = args.exif.unwrap_or(config.exif);
    let (mut parts, mut closed) = (Vec::new(), Vec::new());
    for split in [Split::Train, Split::Test] {
        match open_lenient_in(folder, &config, split) {
            Ok(data) => {
                let (survey, faults) = (Survey::of(&*data), data.faults().iter().map(Fault::of).collect());
                parts.push(Part { split, data, survey, faults });
            }
            Err(error) => closed.push((split, format!("{:#}", Error::from(error)))),
        }
    }
    let mut rest = None;
    if !closed.is_empty() && task.can_exclude() {
        rest = rest_of(folder, &parts)?;
    }
    let findings = Findings { parts, rest };
    let report = findings.report();
    if !report.is_empty() {
        say!("{}", report.trim_end());
    }
    conclude(args, task, &config, &findings, closed)
}

/// The images below the folder that are in no split that could be opened; `None` if there are none.
fn rest_of(folder: &Path, parts: &[Part]) -> Result<Option<Rest>> {
    let (mut files, remark) = image_files_below(folder)?;
    let known: HashSet<PathBuf> = parts
        .iter()
        .flat_map(|part| (0..part.data.len()).filter_map(|index| part.data.file(index)))
        .collect();
    let excluded = Excluded::read(folder)?;
    files.retain(|file| !known.contains(file) && !excluded.contains_file(file));
    let broken = unreadable(&files);
    Ok((!files.is_empty()).then_some(Rest { files: files.len(), broken, remark }))
}

/// Says what came of it, after excluding what cannot be read if that is asked for.
fn conclude(
    args: &CheckArgs,
    task: DatasetName,
    config: &DataConfig,
    Findings { parts, rest }: &Findings,
    closed: Vec<(Split, String)>,
) -> Result<()> {
    let mut wrong = Vec::new();
    match closed.as_slice() {
        [(_, one), (_, other)] if one == other => wrong.push(format!("neither set can be opened: {one}")),
        closed => wrong.extend(
            closed.iter().map(|(split, reason)| format!("the {split} set cannot be opened: {reason}")),
        ),
    }
    let faults: BTreeSet<&Fault> = parts.iter().flat_map(|part| &part.faults).collect();
    if !faults.is_empty() {
        let faults = counted(faults.len(), "fault of the folder prevents", "faults of the folder prevent");
        wrong.push(format!("{faults} training"));
    }
    // The rest may have masks.
    let (broken, all, [one, many]) = match rest {
        Some(rest) => (rest.broken.len(), rest.files, ["file", "files"]),
        None => (0, 0, ["image", "images"]),
    };
    let broken = broken + parts.iter().map(|part| part.survey.broken.len()).sum::<usize>();
    let all = all + parts.iter().map(|part| part.data.len()).sum::<usize>();
    let images = counted(all, one, many);
    if broken > 0 && args.exclude {
        let path = args.folder.join(EXCLUDED);
        exclude(&args.folder, &path, parts, rest.as_ref())?;
        for part in parts {
            reopen(&args.folder, config, part)?;
        }
        say!("\n{broken} of {images} cannot be read and are now excluded by {}", shown(&path));
    } else if broken > 0 {
        let remedy = match task.can_exclude() {
            true => "repair or remove them, or exclude them with --exclude",
            false => "repair them",
        };
        wrong.push(format!("{broken} of {images} cannot be read: {remedy}"));
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    if broken == 0 {
        say!("\nAll {images} can be read");
    }
    Ok(())
}

/// Opens a split again, to see that what is excluded is left out, and that something is left.
fn reopen(folder: &Path, config: &DataConfig, Part { split, faults, .. }: &Part) -> Result<()> {
    let cannot = || format!("cannot read the {split} set without these images");
    let left = open_lenient_in(folder, config, *split).with_context(cannot)?;
    if let Some(fault) = left.faults().iter().map(Fault::of).find(|fault| !faults.contains(fault)) {
        return Err(anyhow!("{}: {}", fault.problem, fault.remedy)).with_context(cannot);
    }
    let excluded = Excluded::read(folder)?;
    let kept = (0..left.len()).filter_map(|index| left.file(index));
    if let Some(file) = kept.into_iter().find(|file| excluded.contains_file(file)) {
        bail!("{} is listed in {}, but was not left out", file.display(), shown(&folder.join(EXCLUDED)));
    }
    Ok(())
}

/// Adds the unreadable files to the list of excluded images; the file is replaced atomically.
fn exclude(folder: &Path, path: &Path, parts: &[Part], rest: Option<&Rest>) -> Result<()> {
    let mut list = Excluded::read(folder)?;
    for Part { data, survey, .. } in parts {
        for broken in &survey.broken {
            list.add(&data.file(broken.index).context("an image has no file of its own")?)?;
        }
    }
    for (file, _) in rest.iter().flat_map(|rest| &rest.broken) {
        list.add(file)?;
    }
    let cannot = || format!("cannot write {}", path.display());
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(cannot)?;
    file.write_all(list.text().as_bytes()).with_context(cannot)?;
    file.persist(path).with_context(cannot)?;
    Ok(())
}
