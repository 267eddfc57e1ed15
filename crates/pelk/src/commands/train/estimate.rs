//! Estimates of a run, printed before it starts.

use crate::memory::{peak_bytes, shown};
use crate::output::say;
use crate::pace::duration;
use crate::values;
use anyhow::Result;
use pelk_autodiff::Backend;
use pelk_train::{Estimate, Limits, Observer, StepReport, Trainer};

/// The estimate as a line of text.
pub fn sentence(estimate: &Estimate) -> String {
    let Estimate { step, steps, evaluation, evaluations, .. } = *estimate;
    let many = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!(
        "estimated time: {} ({} of {}, {} of {})",
        duration(estimate.total().as_secs_f64()),
        many(steps, "step"),
        short(step.as_secs_f64()),
        many(evaluations, "evaluation"),
        short(evaluation.as_secs_f64()),
    )
}

/// A short time: milliseconds, seconds or larger units.
fn short(seconds: f64) -> String {
    match seconds {
        ..1.0 => format!("{:.0} ms", 1e3 * seconds),
        1.0..60.0 => format!("{seconds:.1} s"),
        _ => duration(seconds),
    }
}

/// Prints how long a run will take, and takes its first step; saves nothing. `needed` is the least memory of
/// training.
///
/// # Errors
/// When the first step fails.
pub fn dry_run<B: Backend>(trainer: &mut Trainer<B>, limits: Limits, needed: u64) -> Result<()> {
    let estimate = trainer.estimate(limits)?;
    say!("{}", sentence(&estimate));
    let waits = estimate.loading.as_secs_f64() / estimate.step.as_secs_f64().max(1e-9);
    say!("loading the images of a step takes {:.0} % of its time", 100.0 * waits);
    let mut first = First(None);
    trainer
        .run(Limits { max_steps: Some(trainer.step() + 1), checkpoint_every: None, ..limits }, &mut first)?;
    if let Some(report) = first.0 {
        say!(
            "step {}: loss {}, gradient norm {:.3}, {}",
            report.step,
            values::loss(report.loss, 4),
            report.gradient_norm,
            short(report.time.as_secs_f64()),
        );
    }
    if let Some(bytes) = peak_bytes() {
        say!("peak memory: {}, of which training needs at least {}", shown(bytes), shown(needed));
    }
    Ok(())
}

/// Keeps the report of the step.
struct First(Option<StepReport>);

impl Observer for First {
    fn on_step(&mut self, report: &StepReport) -> bool {
        self.0 = Some(*report);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_estimate_is_said_in_one_line() {
        let estimate = Estimate {
            step: Duration::from_millis(85),
            loading: Duration::from_millis(3),
            steps: 4680,
            evaluation: Duration::from_secs_f64(2.25),
            evaluations: 1,
        };
        let expected = "estimated time: 6 min 40 s (4680 steps of 85 ms, 1 evaluation of 2.2 s)";
        assert_eq!(sentence(&estimate), expected);
    }
}
