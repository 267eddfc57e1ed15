//! Runs this program as a child process, for measurements whose peak memory must be their own.

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use std::process::{Child, Command, Stdio};

/// This program with these arguments; stdin is empty, stdout and stderr are captured.
///
/// # Errors
/// When the path of this program is unknown.
pub fn command<'a>(args: impl IntoIterator<Item = &'a str>) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

/// Waits for a process and parses the JSON that it prints.
///
/// # Errors
/// When the process fails (with its error message), or prints something else.
pub fn answer<T: DeserializeOwned>(child: Child) -> Result<T> {
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        let message = message.trim().trim_start_matches("error: ");
        bail!("{}", if message.is_empty() { output.status.to_string() } else { message.to_owned() });
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
