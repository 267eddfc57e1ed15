//! Files that are replaced as a whole or not at all.

use crate::error::{Result, TrainError};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use tempfile::{NamedTempFile, PersistError};

/// Prefix of the names of files that are being written.
const UNFINISHED: &str = ".writing-";

/// Removes the unfinished files that a killed process left in a folder, if that exists. Only for the owner of
/// the folder's lock: another owner would still be writing them.
pub(crate) fn remove_unfinished(folder: &Path) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes a file as a whole: under another name in the same folder, then synced to the disk, then moved over
/// the old file. On any error, including a full disk, the old file is unchanged.
///
/// # Errors
/// When the folder cannot be written or the disk is full.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically_with(path, |file| file.write_all(bytes))
}

/// Same as [`write_atomically`], but leaves a file that is already there as it is. Returns whether there was
/// none; of several writers at the same time, one finds none.
///
/// # Errors
/// Same as [`write_atomically`].
pub fn write_new_atomically(path: &Path, bytes: &[u8]) -> Result<bool> {
    let written = write_and_move(path, |file| file.write_all(bytes), NamedTempFile::persist_noclobber);
    match written {
        Err(TrainError::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => Ok(false),
        written => written.map(|()| true),
    }
}

/// Same as [`write_atomically`], with what `content` writes.
pub(crate) fn write_atomically_with(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    write_and_move(path, content, NamedTempFile::persist)
}

/// Writes a file under another name and moves it to `path`.
fn write_and_move<'a>(
    path: &'a Path,
    content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    move_to: impl FnOnce(NamedTempFile, &'a Path) -> std::result::Result<File, PersistError>,
) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let write = || -> std::io::Result<()> {
        let mut builder = tempfile::Builder::new();
        // By default only the owner can read temporary files; these stay, so the umask decides who can.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.prefix(UNFINISHED).tempfile_in(folder)?;
        content(&mut file)?;
        file.as_file().sync_all()?;
        move_to(file, path).map_err(|error| error.error)?;
        // The move is durable once the folder is synced; if that is not possible, the system does it later.
        if let Ok(folder) = File::open(folder) {
            let _ = folder.sync_all();
        }
        Ok(())
    };
    write().map_err(|source| TrainError::Io {
        action: "write",
        path: path.to_owned(),
        source,
        consequence: if path.exists() { " (the file that was there before is unchanged)" } else { "" },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_atomically(&path, b"old").unwrap();
        // A folder is where the second file should go, so the move fails after the bytes were written.
        let blocked = folder.path().join("folder");
        std::fs::create_dir(&blocked).unwrap();
        std::fs::write(blocked.join("x"), b"x").unwrap();
        assert!(write_atomically(&blocked, b"new").is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn of_several_writers_of_a_new_file_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let path = folder.path().join(round.to_string());
            let start = std::sync::Barrier::new(4);
            let write = |writer: u8| {
                start.wait();
                write_new_atomically(&path, &[writer; 1000]).unwrap()
            };
            let winners: Vec<u8> = std::thread::scope(|scope| {
                let writers: Vec<_> = (0..4).map(|writer| scope.spawn(move || write(writer))).collect();
                let won = writers.into_iter().map(|writer| writer.join().unwrap());
                (0..4).zip(won).filter_map(|(writer, won)| won.then_some(writer)).collect()
            });
            let [winner] = winners[..] else { panic!("{winners:?}") };
            assert_eq!(std::fs::read(&path).unwrap(), [winner; 1000]);
            assert!(!write_new_atomically(&path, b"later").unwrap());
        }
        // No unfinished files either.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 20);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_place_that_takes_no_files_is_an_error_that_names_the_file() {
        let message = write_atomically(Path::new("/proc/pelk-checkpoint"), b"bytes").unwrap_err().to_string();
        assert!(message.contains("/proc/pelk-checkpoint"), "{message}");
    }
}
