//! What the chores share: the checkout, cargo, and how a command line is read.

use anyhow::{Context, Result, anyhow, ensure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The top of the checkout. Cargo says where it is; a binary that was started by hand remembers where it was
/// built.
pub fn root() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&xtask).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The cargo that runs this program, so that a toolchain chosen with `cargo +...` holds for what it starts
/// too.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

/// An option that a chore does not have, or one without its value.
pub fn unexpected(argument: lexopt::Arg<'_>, chore: &str) -> anyhow::Error {
    anyhow!("{}; see `cargo xtask {chore} --help`", argument.unexpected())
}

/// Whether a program, or a command of cargo, is installed: whether it can say its version.
pub fn works(command: &mut Command) -> bool {
    command.arg("--version").stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot be started or fails.
pub fn succeed(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status();
    let status = status.with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} failed ({status})");
    Ok(())
}
