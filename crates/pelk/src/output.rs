//! Output of commands: results go to standard output, notes to standard error.
//!
//! `println!` and `eprintln!` panic when the output cannot be written: piped to `head`, in a closed terminal,
//! on a full disk. That must not end a week of training, and `cost | head` should end quietly. So all
//! commands use [`say!`] and [`note!`]; clippy rejects the others.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the command continues if standard output is broken. Set once, before the first output.
static IGNORE_BROKEN_STDOUT: AtomicBool = AtomicBool::new(false);

/// Exit status that shells report for a program killed by SIGPIPE: 128 + SIGPIPE.
const READER_GONE: i32 = 141;

/// From now on, output that cannot be written is dropped and the command continues: for commands whose
/// results are files.
pub fn ignore_broken_stdout() {
    IGNORE_BROKEN_STDOUT.store(true, Ordering::Relaxed);
}

/// Writes a line to standard output, like `println!`. If that fails, the program ends, unless
/// [`ignore_broken_stdout`] was called: quietly with exit status 141 for a closed pipe, otherwise with an
/// error and exit status 1.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::answer(format_args!($($text)*)) };
}

/// Writes a line to standard error, like `eprintln!`. If that fails, the line is dropped.
macro_rules! note {
    ($($text:tt)*) => { $crate::output::remark(format_args!($($text)*)) };
}
pub(crate) use {note, say};

/// Implementation of [`say!`].
pub fn answer(text: Arguments<'_>) {
    if let Err(error) = write_line(io::stdout().lock(), text)
        && !IGNORE_BROKEN_STDOUT.load(Ordering::Relaxed)
    {
        if error.kind() == ErrorKind::BrokenPipe {
            std::process::exit(READER_GONE);
        }
        note!("error: cannot write to standard output: {error}");
        std::process::exit(1);
    }
}

/// Implementation of [`note!`].
pub fn remark(text: Arguments<'_>) {
    // There is nowhere left to report a failure.
    let _ = write_line(io::stderr().lock(), text);
}

/// Writes and flushes a line, so that a failure shows up here and not at exit.
fn write_line(mut to: impl Write, text: Arguments<'_>) -> io::Result<()> {
    writeln!(to, "{text}")?;
    to.flush()
}
