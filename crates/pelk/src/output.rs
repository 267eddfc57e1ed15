//! What commands say: answers on standard output, remarks on standard error.
//!
//! `println!` and `eprintln!` panic where nobody reads any more: behind `| head`, in a terminal that was closed, on a full
//! disk. A training of a week must not end so, and `cost | head` should end without a word. Hence [`say!`] and [`note!`]
//! everywhere instead; clippy refuses the others.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the command has more to do than to answer. The command is known before its first word, and stays the same.
static GOES_ON: AtomicBool = AtomicBool::new(false);

/// What a shell reports of a program that the system ended for writing to a closed pipe: 128 + SIGPIPE.
const READER_GONE: i32 = 141;

/// From here on, an answer that cannot be written is lost, and the command goes on: for commands whose results are files.
pub fn go_on_unheard() {
    GOES_ON.store(true, Ordering::Relaxed);
}

/// Writes a line to standard output, as `println!` does. Where that fails the program ends, unless [`go_on_unheard`] was
/// called: without a word and with exit status 141 if it was a pipe that its reader has closed, else with an error and 1.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::answer(format_args!($($text)*)) };
}

/// Writes a line to standard error, as `eprintln!` does. Where that fails, the line is lost.
macro_rules! note {
    ($($text:tt)*) => { $crate::output::remark(format_args!($($text)*)) };
}
pub(crate) use {note, say};

/// What [`say!`] stands for.
pub fn answer(text: Arguments<'_>) {
    if let Err(error) = write_line(io::stdout().lock(), text)
        && !GOES_ON.load(Ordering::Relaxed)
    {
        if error.kind() == ErrorKind::BrokenPipe {
            std::process::exit(READER_GONE);
        }
        note!("error: cannot write to standard output: {error}");
        std::process::exit(1);
    }
}

/// What [`note!`] stands for.
pub fn remark(text: Arguments<'_>) {
    // There is nobody left to tell.
    let _ = write_line(io::stderr().lock(), text);
}

/// The line reaches the system before this returns, so that its failure is this call's and not that of the end.
fn write_line(mut to: impl Write, text: Arguments<'_>) -> io::Result<()> {
    writeln!(to, "{text}")?;
    to.flush()
}
