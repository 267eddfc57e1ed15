//! `pelk data check`

mod report;
mod survey;

use crate::datasets::{self, data_config, names};
use crate::output::say;
use crate::workspace::{in_pool, shown};
use anyhow::{Context, Result, bail};
use pelk_data::{Dataset, DatasetName, EXCLUDED, Split, recognize};
use pelk_train::CanvasConfig;
use report::{Part, report};
use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use survey::Survey;

/// Read every sample of a dataset, and say what is in it and what is wrong with it
///
/// Prints numbers of images, classes, sizes, formats and oddities, images that are there twice (above all such as are to be
/// learned from and to be measured with), and every file that cannot be read. The exit status is 1 if there is one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pelk data check my-photos\n  pelk data check my-photos --exclude")]
pub struct CheckArgs {
    /// Folder of the dataset's files
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The dataset [default: what the files in the folder look like]
    #[arg(long, value_name = "NAME", value_parser = names())]
    task: Option<DatasetName>,
    /// Write the pictures that cannot be read into DIR/excluded.txt, so that training leaves them out; for folders of pictures
    #[arg(long)]
    exclude: bool,
    /// Threads to read with [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Runs the command.
///
/// # Errors
/// When anything cannot be read, unless it was then excluded.
pub fn run(args: &CheckArgs) -> Result<()> {
    in_pool(args.threads, || check(args))
}

fn check(args: &CheckArgs) -> Result<()> {
    let task = match args.task {
        Some(task) => task,
        None => recognize(&args.folder)?,
    };
    if args.exclude && !task.is_image_folder() {
        bail!(
            "--exclude is for folders of pictures, but {} is {task}: repair the files",
            args.folder.display()
        );
    }
    say!("{}: {task}\n", shown(&args.folder));
    let config = data_config(task.name(), CanvasConfig::default(), &[])?;
    let (mut parts, mut closed) = (Vec::new(), Vec::new());
    for split in [Split::Train, Split::Test] {
        match datasets::open(&config, Some(&args.folder), split) {
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
        say!("\n{} leaves out {broken} of {all} images that cannot be read", shown(&path));
        return Ok(());
    }
    let remedy = match task.is_image_folder() {
        true => "repair or remove them, or have them left out with --exclude",
        false => "repair them",
    };
    bail!("{broken} of {all} images cannot be read: {remedy}")
}

/// The paths of the files that cannot be read, from the folder on, with `/` between their parts.
fn broken_names(folder: &Path, parts: &[Part]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for Part { data, survey, .. } in parts {
        for &(index, _) in &survey.broken {
            let file = data.file(index).context("a sample has no file of its own")?;
            let below = file.strip_prefix(folder).unwrap_or(&file).components();
            let parts = below.map(|part: Component| part.as_os_str().to_string_lossy().into_owned());
            names.push(parts.collect::<Vec<_>>().join("/"));
        }
    }
    Ok(names)
}

/// Adds names to a list, which is replaced as a whole or not at all.
fn exclude(path: &Path, names: &[String]) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let mut text = match std::fs::read_to_string(path) {
        Ok(text) if text.is_empty() || text.ends_with('\n') => text,
        Ok(text) => text + "\n",
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            "# Pictures that are left out, by `pelk data check --exclude`; one path a line\n".to_owned()
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
