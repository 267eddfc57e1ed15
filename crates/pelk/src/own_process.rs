//! This program started once more: what is measured in a process of its own has the peak memory of that process.

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use std::process::{Child, Command, Stdio};

/// The program with these arguments; it hears nothing, and what it says is kept.
///
/// # Errors
/// When the program cannot be found.
pub fn command<'a>(args: impl IntoIterator<Item = &'a str>) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

/// Waits for a process, and reads the JSON that it answers.
///
/// # Errors
/// When it fails, with its message; or answers something else.
pub fn answer<T: DeserializeOwned>(child: Child) -> Result<T> {
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        let message = message.trim().trim_start_matches("error: ");
        bail!("{}", if message.is_empty() { output.status.to_string() } else { message.to_owned() });
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
