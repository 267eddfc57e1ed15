//! Messages before and after a run.

use super::TrainArgs;
use crate::folders::shown;
use crate::invocation::Advice;
use crate::output::say;
use crate::pace::duration;
use crate::values;
use anyhow::Result;
use pelk_autodiff::Backend;
use pelk_data::{counted, listed};
use pelk_models::Head;
use pelk_report::table::{Table, number, significant};
use pelk_train::{Datasets, Metric, MetricsRow, Outcome, Run, Scores, TrainConfig, Trainer, WarmStart};
use std::path::Path;

/// How the run uses the weights that it starts from.
pub fn describe_start(config: &TrainConfig, start: &WarmStart) -> String {
    let parts = |names: &[String]| {
        let mut parts: Vec<&str> = names.iter().map(|name| name.split('.').next().unwrap_or(name)).collect();
        parts.dedup();
        parts.join(", ")
    };
    let some = |names: &[String]| match names {
        [] => "none".to_owned(),
        names => format!("{} ({})", names.len(), parts(names)),
    };
    let mut text = format!(
        "{} tensors from {}; newly initialized: {}; unused in the file: {}",
        start.taken,
        config.weights.display(),
        some(&start.fresh),
        some(&start.unused),
    );
    if !start.prefix.is_empty() {
        text += &format!("\nThe file's names were taken without their common start, {:?}.", start.prefix);
    }
    for (dtype, &count) in &start.converted {
        let tensors = counted(count, "tensor", "tensors");
        text += &format!("\nConverted {tensors} in the file from {dtype} to F32.");
    }
    if !start.other_classes.is_empty() {
        let theirs = listed(&start.other_classes, 5, ", ");
        text += &format!("\nThe file's network has other classes ({theirs}), so its last layer is not used.");
    }
    if !start.reordered.is_empty() {
        text += &format!(
            "\nThe file's network has the same classes in another order, so each took its values by its name, \
             in {} ({}).",
            counted(start.reordered.len(), "tensor", "tensors"),
            parts(&start.reordered),
        );
    }
    text
}

/// Prints what will be trained, and where.
///
/// # Errors
/// When the configuration is not valid.
pub fn introduce<B: Backend>(
    trainer: &Trainer<B>,
    config: &TrainConfig,
    datasets: &Datasets,
    device: &str,
) -> Result<()> {
    let parameters = trainer.network().trained_values()?;
    say!(
        "{} ({parameters} parameters) on {}: {} training and {} test images",
        config.model.name,
        config.data.dataset,
        datasets.train.len(),
        datasets.test.len(),
    );
    say!(
        "{} steps, {} per epoch, on {device} with {} threads, seed {}",
        trainer.total_steps(),
        trainer.steps_per_epoch(),
        rayon::current_num_threads(),
        config.seed,
    );
    if trainer.step() > 0 {
        say!("resuming after step {}", trainer.step());
    }
    Ok(())
}

/// Rows of the table at the end: the last few epochs.
const ROWS: usize = 5;
/// Share of time spent waiting for images above which the user is told.
const WORTH_SAYING: f64 = 0.1;

/// Prints a run's results, and what to do with them.
pub fn conclude<B: Backend>(
    outcome: Outcome,
    run: &Run,
    trainer: &Trainer<B>,
    config: &TrainConfig,
    sheet: Option<&Path>,
    seconds: f64,
    waited: f64,
    args: &TrainArgs,
) {
    let (step, total) = (trainer.step(), trainer.total_steps());
    let (rows, metric) = (run.rows(), config.metric());
    if !rows.is_empty() {
        let averaged = rows.iter().any(|row| row.ema.is_some());
        let mut table = Table::new([
            number("epoch"),
            number("step"),
            number("train loss"),
            number("test loss").optional(),
            number(match (metric, averaged) {
                (Metric::Accuracy, false) => "test accuracy",
                (Metric::Accuracy, true) => "test accuracy (EMA)",
                (Metric::MeanIou, false) => "test mIoU",
                (Metric::MeanIou, true) => "test mIoU (EMA)",
                (Metric::BoxAp, false) => "test box AP",
                (Metric::BoxAp, true) => "test box AP (EMA)",
            }),
            number("images/s"),
        ]);
        for row in &rows[rows.len().saturating_sub(ROWS)..] {
            let percent = |scores: &Scores| values::percent(metric.of(scores));
            let ema = row.ema.map_or(String::new(), |scores| format!(" ({})", percent(&scores)));
            table.row([
                row.epoch.to_string(),
                row.step.to_string(),
                values::loss(row.train_loss, 4),
                match row.test {
                    Scores::Labels(scores) => values::loss(scores.loss, 4),
                    Scores::Objects(_) => String::new(),
                },
                percent(&row.test) + &ema,
                significant(row.images_per_second),
            ]);
        }
        say!("\n{table}");
    }
    match (outcome, rows.last()) {
        (Outcome::Finished, Some(last)) => {
            let best = |scores: &dyn Fn(&MetricsRow) -> Option<Scores>| {
                let values = rows.iter().filter_map(scores).filter_map(|scores| metric.of(&scores));
                values::percent(values.max_by(f64::total_cmp))
            };
            say!(
                "Test {} {} at the end (best {}), in {}.",
                metric.name(),
                values::percent(metric.of(&last.test)),
                best(&|row| Some(row.test)),
                duration(seconds),
            );
            if let Some(ema) = last.ema {
                let (last, best) = (values::percent(metric.of(&ema)), best(&|row| row.ema));
                say!("The average of its weights (EMA): {last} (best {best}).");
            }
        }
        (Outcome::Stopped, _) => say!("Stopped and saved after step {step} of {total}."),
        _ => say!("Saved after step {step} of {total}, the given limit."),
    }
    // A new run stores its data folder; a run resumed with another one does not.
    let data = args.data.as_deref().filter(|_| args.resume);
    let again = |advice: Advice| advice.on(data, &args.device.device);
    say!("\nNext:");
    if outcome != Outcome::Finished {
        say!("  {}", again(Advice::new("train").word("--resume").path("--out", run.folder())));
    }
    if run.best().exists() {
        say!("  {}", again(Advice::new("eval").path("--checkpoint", &run.best())));
        if trainer.network().config().head != Head::Dense {
            say!("  {}", Advice::new("predict").path("--checkpoint", &run.best()).word("IMAGE..."));
        }
        say!("  open {}", shown(&run.curves()));
        if let Some(sheet) = sheet {
            say!("  open {}", shown(sheet));
        }
    }
    if waited > WORTH_SAYING {
        say!("\nSteps waited for images for {:.0} % of their time: more --loaders may help.", 100.0 * waited);
    }
}
