//! `cargo xtask`: the build chores of the workspace, `test` and `docs`. Every other command is pelk's: it is
//! built in release mode and gets the arguments as they are.
//!
//! Nothing of the workspace is linked in, and next to nothing else: whoever types `cargo xtask` waits for
//! this crate.
#![forbid(unsafe_code)]
// A chore talks to whoever started it, and may end when nobody listens.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod chore;
mod docs;
mod forward;
#[cfg(test)]
mod manifests;
mod test;

use anyhow::Result;
use std::ffi::OsString;
use std::process::ExitCode;

const CHORES: &str = "\
Chores of the workspace:
  test    Run every check: formatting, lints, documentation, tests; --fast for the first two
  docs    Build the book in `docs`

Every other command is passed on to pelk, built in release mode:
";

fn main() -> ExitCode {
    match run(std::env::args_os().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Vec<OsString>) -> Result<()> {
    let rest = arguments.get(1..).unwrap_or_default().to_vec();
    match arguments.first().and_then(|command| command.to_str()) {
        Some("test") => test::run(rest),
        Some("docs") => docs::run(rest),
        None | Some("help" | "--help" | "-h") => {
            println!("{CHORES}");
            Err(forward::to_pelk(&[OsString::from("--help")]))
        }
        Some(_) => Err(forward::to_pelk(&arguments)),
    }
}
