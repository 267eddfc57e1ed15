//! `pelk data check`

mod report;
mod survey;

use crate::datasets::{Opener, annotated, data_config, names};
use crate::folders::shown;
use crate::output::say;
use crate::threads::in_pool;
use anyhow::{Context, Result, bail};
use pelk_data::{Dataset, DatasetName, EXCLUDED, Excluded, Split, counted, recognize};
use pelk_train::CanvasConfig;
use report::{Part, report};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use survey::Survey;

/// Read every image of a dataset and report its contents and problems
///
/// Prints the number of images, classes, sizes, formats and oddities, duplicate images (above all those in
/// both the training and the test set), and every file that cannot be read. The exit status is 1 if there is
/// one.
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
    let task = match args.task {
        Some(task) => task,
        None if !args.annotations.is_empty() => DatasetName::Coco,
        None => recognize(&args.folder)?,
    };
    if args.exclude && !task.can_exclude() {
        bail!(
            "--exclude works only for images with files of their own, but {} is {task}: repair its files instead",
            args.folder.display()
        );
    }
    say!("{}: {task}\n", shown(&args.folder));
    let config = data_config(task.name(), CanvasConfig::default(), &[])?;
    let config = annotated(&config, &args.annotations);
    let opener = Opener::default();
    let (mut parts, mut closed) = (Vec::new(), Vec::new());
    for split in [Split::Train, Split::Test] {
        match opener.open(&config, Some(&args.folder), split) {
            Ok(data) => {
                let survey = Survey::of(&*data);
                parts.push(Part { split, data, survey });
            }
            Err(error) => closed.push(format!("the {split} set cannot be opened: {error:#}")),
        }
    }
    say!("{}", report(&parts).trim_end());
    if !closed.is_empty() {
        bail!("{}", closed.join("\n"));
    }
    let broken: usize = parts.iter().map(|part| part.survey.broken.len()).sum();
    let all: usize = parts.iter().map(|part| part.data.len()).sum();
    if broken == 0 {
        say!("\nAll {} can be read", counted(all, "image", "images"));
        return Ok(());
    }
    if args.exclude {
        let path = args.folder.join(EXCLUDED);
        exclude(&args.folder, &path, &parts)?;
        for split in [Split::Train, Split::Test] {
            let left = Opener::default().open(&config, Some(&args.folder), split);
            let left = left.with_context(|| format!("cannot read the {split} set without these images"))?;
            let excluded = Excluded::read(&args.folder)?;
            let kept = (0..left.len()).filter_map(|index| left.file(index));
            if let Some(file) = kept.into_iter().find(|file| excluded.contains_file(file)) {
                bail!("{} is listed in {}, but was not left out", file.display(), shown(&path));
            }
        }
        say!("\n{broken} of {all} images cannot be read and are now excluded by {}", shown(&path));
        return Ok(());
    }
    let remedy = match task.can_exclude() {
        true => "repair or remove them, or exclude them with --exclude",
        false => "repair them",
    };
    bail!("{broken} of {all} images cannot be read: {remedy}")
}

/// Adds the unreadable files to the list of excluded images; the file is replaced atomically.
fn exclude(folder: &Path, path: &Path, parts: &[Part]) -> Result<()> {
    let mut list = Excluded::read(folder)?;
    for Part { data, survey, .. } in parts {
        for broken in &survey.broken {
            list.add(&data.file(broken.index).context("an image has no file of its own")?)?;
        }
    }
    let cannot = || format!("cannot write {}", path.display());
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(cannot)?;
    file.write_all(list.text().as_bytes()).with_context(cannot)?;
    file.persist(path).with_context(cannot)?;
    Ok(())
}

/// A dataset that can be shared.
type Shared = Arc<dyn Dataset>;
