//! Handles Ctrl-C in training commands.

use crate::output::note;
use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that the first Ctrl-C sets; the second one ends the program immediately.
///
/// # Errors
/// When the handler cannot be installed.
pub fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            #[cfg(feature = "dashboard")]
            crate::dashboard::give_back_terminal();
            std::process::exit(130);
        }
        note!("\nStopping after this step (press Ctrl-C again to quit now without saving)");
    })
    .context("cannot install the Ctrl-C handler")?;
    Ok(stop)
}
