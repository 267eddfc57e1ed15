//! From a checkpoint and photos to the most likely classes.
//!
//! ```sh
//! cargo xtask train                # writes the checkpoint; or this crate's example `train`, in a minute
//! cargo run --release -p pelk-train --example classify runs/fashion-mnist/best.safetensors IMAGE...
//! ```
#![allow(clippy::print_stdout)] // an example prints

use pelk_autodiff::CpuBackend;
use pelk_train::{Trained, open_image};
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let checkpoint = arguments.next().ok_or("usage: classify CHECKPOINT IMAGE...")?;
    let backend = CpuBackend::new()?;
    // Folded into the inference form: the same function with fewer operators.
    let trained = Trained::read(&backend, &checkpoint, true)?;
    let mut classifier = trained.classifier(&backend)?;
    for path in arguments {
        println!("{}", path.display());
        for (class, probability) in classifier.top(&open_image(&path)?, 5)? {
            println!("  {:<20} {:6.2} %", trained.description.classes[class], 100.0 * probability);
        }
    }
    Ok(())
}
