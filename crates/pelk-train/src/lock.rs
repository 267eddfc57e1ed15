//! The lock of a folder, which has at most one owner at a time.
//!
//! The system holds the lock and drops it when its process ends, even one that was killed, so a lock is never
//! stale; the file that a killed process leaves behind is only the place of the next lock.

use crate::error::{Result, TrainError};
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// A folder that no other process, and no other part of this one, may write until this value is dropped.
#[derive(Debug)]
pub struct FolderLock {
    path: PathBuf,
    file: File,
}

impl FolderLock {
    /// The name of the file that is locked.
    pub const FILE: &str = ".lock";

    /// Becomes the only owner of an existing folder.
    ///
    /// # Errors
    /// [`TrainError::InUse`] if it has an owner, and [`TrainError::Io`] if its file system has no locks or
    /// the lock cannot be created.
    pub fn take(folder: &Path) -> Result<FolderLock> {
        FolderLock::lock(folder, FolderLock::FILE, File::try_lock)
    }

    /// Becomes one of several owners of an existing folder, all of which share it.
    ///
    /// # Errors
    /// Same as [`FolderLock::take`], but only an owner that does not share the folder is in the way.
    pub fn share(folder: &Path) -> Result<FolderLock> {
        FolderLock::lock(folder, FolderLock::FILE, File::try_lock_shared)
    }

    /// Becomes the only owner of a part of an existing folder, by the part's name.
    ///
    /// # Errors
    /// Same as [`FolderLock::take`].
    pub fn take_part(folder: &Path, part: &str) -> Result<FolderLock> {
        FolderLock::lock(folder, &format!("{}-{part}", FolderLock::FILE), File::try_lock)
    }

    fn lock(
        folder: &Path,
        name: &str,
        lock: fn(&File) -> std::result::Result<(), TryLockError>,
    ) -> Result<FolderLock> {
        let path = folder.join(name);
        let refuse = |source| TrainError::io("lock", &path, source);
        loop {
            // Not truncated: until it is locked, the file belongs to another owner.
            let mut options = File::options();
            let mut file =
                options.read(true).write(true).create(true).truncate(false).open(&path).map_err(refuse)?;
            match lock(&file) {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut owner = String::new();
                    // The file says who it is only to help people; a system may not let it be read.
                    let _ = file.read_to_string(&mut owner);
                    let owner = if owner.is_empty() { "another process".to_owned() } else { owner };
                    return Err(TrainError::InUse { folder: folder.to_owned(), owner });
                }
                Err(TryLockError::Error(source)) => return Err(refuse(source)),
            }
            // The former owner may have removed the file between the two calls above.
            if is_at(&file, &path).map_err(refuse)? {
                let _ = file.set_len(0).and_then(|()| file.write_all(this_process().as_bytes()));
                return Ok(FolderLock { path, file });
            }
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Only the last of several owners removes the file. It does so before it gives up the lock, so that
        // the file cannot already be another owner's. A file that stays does no harm.
        if self.file.try_lock().is_ok() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether an open file is the one at a path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let id = |data: std::fs::Metadata| (data.dev(), data.ino());
    match std::fs::metadata(path) {
        Ok(found) => Ok(id(found) == id(file.metadata()?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether an open file is the one at a path: elsewhere, the name of an open file cannot be taken by another.
#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> std::io::Result<bool> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// This process, as errors of others name it.
fn this_process() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match host.trim() {
        "" => format!("process {}", std::process::id()),
        host => format!("process {} on {host}", std::process::id()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(result: Result<FolderLock>) -> String {
        match result {
            Err(TrainError::InUse { owner, .. }) => owner,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_folder_has_one_owner_who_is_named_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FolderLock::FILE);
        let lock = FolderLock::take(folder.path()).unwrap();
        let other = owner(FolderLock::take(folder.path()));
        assert!(other.starts_with(&format!("process {}", std::process::id())), "{other}");
        owner(FolderLock::share(folder.path()));
        drop(lock);
        assert!(!path.exists());

        // A killed process leaves its file, but the system drops its lock.
        std::fs::write(&path, "process 1 on a host with a long name that was killed").unwrap();
        let lock = FolderLock::take(folder.path()).unwrap();
        assert_eq!(owner(FolderLock::take(folder.path())), other);
        drop(lock);
        assert!(!path.exists());
    }

    #[test]
    fn those_who_share_a_folder_leave_one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::share(folder.path()).unwrap();
        let second = FolderLock::share(folder.path()).unwrap();
        let part = FolderLock::take_part(folder.path(), "1-of-2").unwrap();
        owner(FolderLock::take_part(folder.path(), "1-of-2"));
        drop(FolderLock::take_part(folder.path(), "2-of-2").unwrap());
        drop(first);
        owner(FolderLock::take(folder.path()));
        drop(second);
        drop(FolderLock::take(folder.path()).unwrap());
        drop(part);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_thousand_owners_in_turn_never_share() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, turns) = (std::sync::Mutex::new(()), std::sync::atomic::AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..250 {
                        let lock = loop {
                            match FolderLock::take(folder.path()) {
                                Ok(lock) => break lock,
                                Err(TrainError::InUse { .. }) => std::thread::yield_now(),
                                Err(error) => panic!("{error}"),
                            }
                        };
                        let alone = inside.try_lock().expect("another owner at the same time");
                        turns.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        drop(alone);
                        drop(lock);
                    }
                });
            }
        });
        assert_eq!(turns.into_inner(), 1000);
    }

    #[test]
    fn a_folder_that_does_not_exist_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let message = FolderLock::take(&folder.path().join("none")).unwrap_err().to_string();
        assert!(message.contains("cannot lock") && message.contains("none"), "{message}");
    }
}
