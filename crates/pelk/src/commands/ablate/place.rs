//! The folder of a sweep, and who owns it.

use super::{AblateArgs, Shard};
use crate::folders::RUNS;
use anyhow::{Context, Result, bail, ensure};
use pelk_ablation::plan::Plan;
use pelk_train::FolderLock;
use std::path::{Path, PathBuf};

/// The folder that the arguments name.
///
/// # Errors
/// When it holds a sweep and should not, or should and does not.
pub fn folder(args: &AblateArgs) -> Result<PathBuf> {
    let taken = |folder: &PathBuf| Plan::file(folder).exists();
    let numbered = || {
        (1..).map(|i: u32| Path::new(RUNS).join(if i == 1 { "ablate".into() } else { format!("ablate-{i}") }))
    };
    match &args.out {
        Some(folder) => {
            // Shards of a sweep share its folder.
            ensure!(
                args.resume || args.shard.is_some() || !taken(folder),
                "{} already contains a sweep: add --resume to continue it, or choose another --out",
                folder.display()
            );
            Ok(folder.clone())
        }
        None if args.resume => match numbered().take_while(taken).last() {
            Some(folder) => Ok(folder),
            None => bail!("there is no sweep in runs/ablate to resume; name its folder with --out"),
        },
        None => numbered().find(|folder| !taken(folder)).context("all folders are taken"),
    }
}

/// Owns a sweep's folder, which is created: alone, or for a shard, together with the other shards.
///
/// # Errors
/// When the folder is in use or cannot be created.
pub fn own(folder: &Path, shard: Option<Shard>) -> Result<Vec<FolderLock>> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(match shard {
        None => vec![FolderLock::take(folder)?],
        Some(Shard { index, of }) => {
            let part = format!("{}-of-{of}", index + 1);
            vec![FolderLock::share(folder)?, FolderLock::take_part(folder, &part)?]
        }
    })
}
