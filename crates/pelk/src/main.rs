//! The command `pelk`; see `pelk --help`.
#![forbid(unsafe_code)]

mod advice;
mod commands;
#[cfg(feature = "dashboard")]
mod dashboard;
mod datasets;
mod device;
mod folders;
mod interrupt;
mod invocation;
mod memory;
mod options;
mod output;
mod own_process;
mod pace;
mod photos;
mod pictures;
mod progress;
mod settings;
mod threads;
mod timing;
mod values;
mod wrap;

use crate::output::note;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Decoders' panics become errors that name the file; their message would come before it, without a name.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !pelk_data::decoding() {
            hook(panic);
        }
    }));
    match commands::run(commands::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut message = format!("error: {}", settings::told(&error));
            for cause in error.chain().skip(1).map(ToString::to_string) {
                // Some errors quote their cause themselves.
                if !message.contains(&cause) {
                    message += &format!("\ncaused by: {cause}");
                }
            }
            if let Some(advice) = advice::advice(&error) {
                message += &format!("\nhelp: {}", invocation::with_program_name_in(&advice));
            }
            note!("{message}");
            ExitCode::FAILURE
        }
    }
}
