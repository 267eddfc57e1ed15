//! `pelk data check`

mod report;
mod survey;

use crate::datasets::{Opener, annotated, data_config, names};
use crate::folders::shown;
use crate::output::say;
use crate::threads::in_pool;
use anyhow::{Context, Result, bail};
use pelk_data::{Dataset, DatasetName, EXCLUDED, Split, recognize};
use pelk_train::CanvasConfig;
use report::{Part, report};
use std::io::Write;
use std::path::{Component, Path, PathBuf};
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
    /// List unreadable images in DIR/excluded.txt, so that training skips them; only for folders of images
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
    if args.exclude && !task.is_image_folder() {
        bail!(
            "--exclude works only for folders of images, but {} is {task}: repair its files instead",
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
        say!("\nAll {all} images can be read");
        return Ok(());
    }
    if args.exclude {
        let path = args.folder.join(EXCLUDED);
        exclude(&path, &broken_names(&args.folder, &parts)?)?;
        say!("\n{broken} of {all} images cannot be read and are now excluded by {}", shown(&path));
        return Ok(());
    }
    let remedy = match task.is_image_folder() {
        true => "repair or remove them, or exclude them with --exclude",
        false => "repair them",
    };
    bail!("{broken} of {all} images cannot be read: {remedy}")
}

/// Paths of the unreadable files, relative to the folder and separated by `/`.
fn broken_names(folder: &Path, parts: &[Part]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for Part { data, survey, .. } in parts {
        for &(index, _) in &survey.broken {
            let file = data.file(index).context("an image has no file of its own")?;
            let below = file.strip_prefix(folder).unwrap_or(&file).components();
            let parts = below.map(|part: Component| part.as_os_str().to_string_lossy().into_owned());
            names.push(parts.collect::<Vec<_>>().join("/"));
        }
    }
    Ok(names)
}

/// Adds names to the list of excluded images; the file is replaced atomically.
fn exclude(path: &Path, names: &[String]) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let mut text = match std::fs::read_to_string(path) {
        Ok(text) if text.is_empty() || text.ends_with('\n') => text,
        Ok(text) => text + "\n",
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            "# Excluded images, one path per line; written by `pelk data check --exclude`\n".to_owned()
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    for name in names {
        text.push_str(name);
        text.push('\n');
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(cannot)?;
    file.write_all(text.as_bytes()).with_context(cannot)?;
    file.persist(path).with_context(cannot)?;
    Ok(())
}

/// A dataset that can be shared.
type Shared = Arc<dyn Dataset>;
