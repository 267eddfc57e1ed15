//! Files that are replaced as a whole or not at all.

use crate::error::{Result, TrainError};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Prefix of the names of files that are being written.
const UNFINISHED: &str = ".writing-";

/// Removes the unfinished files that a killed process left in a folder, if that exists. Only for the owner of
/// the folder's lock: another owner would still be writing them.
pub(crate) fn remove_unfinished(folder: &Path) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
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

/// Same as [`write_atomically`], with what `content` writes.
pub(crate) fn write_atomically_with(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
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
        file.persist(path).map_err(|error| error.error)?;
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

    #[cfg(target_os = "linux")]
    #[test]
    fn a_place_that_takes_no_files_is_an_error_that_names_the_file() {
        let message = write_atomically(Path::new("/proc/pelk-checkpoint"), b"bytes").unwrap_err().to_string();
        assert!(message.contains("/proc/pelk-checkpoint"), "{message}");
    }
}
