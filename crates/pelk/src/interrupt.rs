//! Handles Ctrl-C and SIGTERM in training commands.

use crate::output::note;
use anyhow::{Context, Result};
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit status that shells report for a program that was ended by Ctrl-C: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// What Ctrl-C and SIGTERM do: they end the program immediately, until it has something to save.
#[derive(Debug)]
pub struct Interrupts {
    saving: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
}

impl Interrupts {
    /// Handles the signals from now on.
    ///
    /// # Errors
    /// When the handler cannot be installed.
    pub fn handle() -> Result<Interrupts> {
        let interrupts = Interrupts { saving: Arc::default(), stop: Arc::default() };
        let (saving, stop) = (interrupts.saving.clone(), interrupts.stop.clone());
        ctrlc::set_handler(move || {
            if !saving.load(Ordering::SeqCst) {
                note!("\nStopped before the first step; there is nothing to save");
                exit(INTERRUPTED);
            }
            if stop.swap(true, Ordering::SeqCst) {
                #[cfg(feature = "dashboard")]
                crate::dashboard::give_back_terminal();
                exit(INTERRUPTED);
            }
            note!("\nStopping after this step or evaluated batch (press Ctrl-C again to quit now without saving)");
        })
        .context("cannot install the Ctrl-C handler")?;
        Ok(interrupts)
    }

    /// From now on, the first signal only sets the flag that is returned, so that the program can save; the
    /// second one ends the program.
    pub fn save_first(&self) -> Arc<AtomicBool> {
        self.saving.store(true, Ordering::SeqCst);
        self.stop.clone()
    }
}
