//! The numbers of a report as CSV: one row per study, arm, seed, training length and metric.

use crate::cost::Costs;
use crate::error::Result;
use crate::results::Results;

const HEADER: &str = "study,task,arm,seed,steps,metric,value,parameters,seconds,peak_bytes";

/// The CSV table. Accuracies are shares, and `none` where nothing was counted; seconds are training time;
/// missing measurements are empty.
///
/// # Errors
/// When the plan names something that is not in the catalog.
pub fn render(results: &Results, costs: &Costs) -> Result<String> {
    let mut text = format!("{HEADER}\n");
    for study in results.plan.studies()? {
        for (task, _) in results.plan.tasks()? {
            for arm in results.plan.study_of(&study.name, task)?.arms {
                let cost = costs.of(task.name, &arm.arm).map(|cost| &cost.measured);
                let parameters = cost.map_or(String::new(), |cost| cost.parameters.to_string());
                let peak =
                    cost.and_then(|cost| cost.peak_bytes).map_or(String::new(), |bytes| bytes.to_string());
                let runs = results.finished.iter();
                for run in runs.filter(|run| run.plan.task.name == task.name && run.plan.arm == arm.arm) {
                    for (metric, value) in run.values() {
                        let value = value.map_or("none".to_owned(), |value| format!("{value:.6}"));
                        text += &format!(
                            "{},{},{},{},{},{metric},{value},{parameters},{:.2},{peak}\n",
                            study.name,
                            task.name,
                            quoted(&arm.label),
                            run.plan.seed,
                            run.plan.steps,
                            run.seconds(),
                        );
                    }
                }
            }
        }
    }
    Ok(text)
}

/// A quoted CSV field (RFC 4180): labels may contain commas.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_with_commas_are_quoted() {
        assert_eq!(quoted("uniform 2, fine center"), "\"uniform 2, fine center\"");
        assert_eq!(quoted("dense"), "dense");
    }
}
