//! Training in some forty lines: a small PeLK on Fashion-MNIST for one epoch, a minute on two cores; prints
//! losses and the test accuracy, and writes `example.safetensors`.
//!
//! ```sh
//! cargo run --release -p pelk-train --example train                       # in the checkout
//! cargo run --release -p pelk-train --example train FOLDER_OF_IDX_FILES
//! ```
#![allow(clippy::print_stdout)] // an example prints

use pelk_autodiff::CpuBackend;
use pelk_data::{Split, fashion_mnist};
use pelk_train::{Checkpoint, Datasets, EvaluationReport, Limits, Metric, Observer, Result, StepReport};
use pelk_train::{TrainConfig, Trainer};
use std::{path::Path, sync::Arc};

const CONFIG: &str = r#"
    model.name = "pelk_atto"
    data.dataset = "fashion-mnist"
    batch.size = 64
    optimizer = { learning_rate = 4e-3, clip_norm = 1.0 }
    schedule = { epochs = 1, warmup_epochs = 0.1 }
"#;

struct Print;

impl Observer for Print {
    fn on_step(&mut self, report: &StepReport) -> bool {
        if report.step.is_multiple_of(50) {
            let loss = report.loss.unwrap_or(f64::NAN); // none if all labels of the step are ignored
            println!("step {} of {}: loss {loss:.3}", report.step, report.total_steps);
        }
        true // false would end the run here, with a checkpoint
    }
    fn on_evaluation(&mut self, report: &EvaluationReport<'_>) -> Result<()> {
        if let Some(accuracy) = Metric::Accuracy.of(&report.row.test) {
            println!("test accuracy {:.1} %", 100.0 * accuracy);
        }
        Ok(())
    }
    fn on_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        checkpoint.write(Path::new("example.safetensors"))
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "datasets/fashion-mnist".to_owned());
    let train = Arc::new(fashion_mnist(&folder, Split::Train)?);
    let test = Arc::new(fashion_mnist(&folder, Split::Test)?);
    let config = TrainConfig::parse("example", CONFIG, &[])?;
    let mut trainer = Trainer::new(CpuBackend::new()?, config, Datasets { train, test })?;
    trainer.run(Limits::default(), &mut Print)?;
    Ok(())
}
