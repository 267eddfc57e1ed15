//! Ctrl-C, as training commands take it.

use crate::dashboard::give_back_terminal;
use crate::output::note;
use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that the first Ctrl-C sets; the second one ends the program at once.
///
/// # Errors
/// When the system does not let it listen.
pub fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            give_back_terminal();
            std::process::exit(130);
        }
        note!("\nStopping after this step (Ctrl-C again: at once, without saving)");
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(stop)
}
