//! Every command that is not a chore: pelk's.

use crate::chore::{cargo, root};
use std::ffi::OsString;
use std::process::Command;

/// Builds pelk in release mode and becomes it, so that it gets the terminal, the signals and the exit status
/// as if it had been started directly. Returns only where that failed.
///
/// Two variables tell pelk where it was started from: the checkout's datasets, unless the user has others,
/// and the words that its help and its advice name it by.
pub fn to_pelk(arguments: &[OsString]) -> anyhow::Error {
    let mut command = cargo();
    command.args(["run", "--quiet", "--release", "--manifest-path"]).arg(root().join("Cargo.toml"));
    command.args(["--package", "pelk", "--"]).args(arguments);
    command.env("PELK_COMMAND", "cargo xtask");
    if std::env::var_os("PELK_DATASETS").is_none() {
        command.env("PELK_DATASETS", root().join("datasets"));
    }
    replace_this_process(&mut command)
}

#[cfg(unix)]
fn replace_this_process(command: &mut Command) -> anyhow::Error {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    anyhow::anyhow!("cannot start {command:?}: {error}")
}

#[cfg(not(unix))]
fn replace_this_process(command: &mut Command) -> anyhow::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => anyhow::anyhow!("cannot start {command:?}: {error}"),
    }
}
