//! The report of a sweep, as HTML, Markdown and CSV with the same content.

mod charts;
mod csv;
mod sentences;
mod study;
mod view;

use crate::catalog::{Study, Task};
use crate::cost::Costs;
use crate::error::{AblationError, Result};
use crate::results::{FinishedRun, Results};
use crate::statistics::Summary;
use pelk_report::document::{Block, Document, Table, html, markdown};
use pelk_report::table::significant;
use pelk_train::write_atomically;
use std::path::{Path, PathBuf};
use view::StudyView;

/// The files written.
pub struct Written {
    /// The HTML report.
    pub html: PathBuf,
    /// Conclusions and main numbers, for a terminal.
    pub summary: String,
}

/// Folder of the Markdown report's pictures.
const FIGURES: &str = "figures";

/// Writes `report.html`, `report.md` with its figures, and `results.csv` to a folder.
///
/// # Errors
/// When a file cannot be written, or a chart cannot be drawn.
pub fn write(results: &Results, costs: &Costs, out: &Path) -> Result<Written> {
    let (document, summary) = compose(results, costs)?;
    let figures = out.join(FIGURES);
    std::fs::create_dir_all(&figures).map_err(|error| AblationError::io("create", &figures, error))?;
    let (text, files) = markdown::render(&document, FIGURES)?;
    for (name, svg) in files {
        write_atomically(&out.join(name), svg.as_bytes())?;
    }
    write_atomically(&out.join("report.md"), text.as_bytes())?;
    write_atomically(&out.join("results.csv"), csv::render(results, costs)?.as_bytes())?;
    let html = out.join("report.html");
    write_atomically(&html, html::render(&document)?.as_bytes())?;
    Ok(Written { html, summary })
}

fn compose(results: &Results, costs: &Costs) -> Result<(Document, String)> {
    let plan = &results.plan;
    let mut document = Document { title: "Ablations of large kernels".into(), ..Document::default() };
    let mut summary = String::new();
    let mut sections = Document::default();
    let mut overviews = Vec::new();
    for (task, budgets) in plan.tasks()? {
        let mut views = Vec::new();
        for study in plan.studies()? {
            let view = StudyView::new(results, costs, &study.name, task, budgets)?;
            let found = study::section(&mut sections, study, &view);
            summary += &format!("{} ({})\n{}", study.title, task.name, study::scores(&view));
            for sentence in &found {
                summary += &format!("  {sentence}\n");
            }
            summary.push('\n');
            views.push((study, view));
        }
        overviews.extend(overview(task, budgets, &views));
    }
    introduction(&mut document, results)?;
    if !overviews.is_empty() {
        document.heading(2, "At a glance");
        document.text(
            "Points of accuracy, mIoU or box AP that one arm is above or below another, where it exceeds the \
             noise.",
        );
        document.blocks.append(&mut overviews);
    }
    document.blocks.append(&mut sections.blocks);
    for (task, budgets) in plan.tasks()? {
        cost_section(&mut document, results, costs, task, budgets)?;
    }
    Ok((document, summary))
}

fn introduction(document: &mut Document, results: &Results) -> Result<()> {
    let plan = &results.plan;
    for (task, budgets) in plan.tasks()? {
        let budgets: Vec<_> = budgets.iter().map(ToString::to_string).collect();
        document.text(format!(
            "Task {}: {} arms, each with {} seed{} and {} steps of training. {}",
            task.name,
            plan.arms(task)?.len(),
            plan.seeds,
            if plan.seeds == 1 { "" } else { "s" },
            budgets.join(" and "),
            task.about,
        ));
    }
    if !plan.settings.is_empty() {
        document.text(format!("All runs were changed by: {}.", plan.settings.join(", ")));
    }
    if !results.complete() {
        let (done, all) = (results.finished.len(), results.planned);
        document.text(format!("Only {done} of {all} runs are finished; the results below cover only these."));
    }
    document.text(
        "Accuracy (mIoU for segmentation, box AP for detection) is on the test data at the end of training: \
         mean and standard deviation over the seeds. Arms are compared seed by seed, with a Student's t interval for the mean \
         of the differences. If the interval includes 0, the arms cannot be told apart, which does not mean \
         that they are equal. One interval in twenty misses by chance.",
    );
    document.text(
        "The paper's numbers are from another setting, PeLK-T on ImageNet-1K: compare the order of arms, not \
         the values.",
    );
    Ok(())
}

/// All comparisons on one task; `None` if its studies compare nothing.
fn overview(task: &Task, budgets: &[u64], views: &[(&Study, StudyView)]) -> Option<Block> {
    let mut rows = Vec::new();
    for (study, view) in views {
        for arm in &view.arms {
            let Some(other) = view.study.compared_with(&arm.arm) else { continue };
            let mut cells = vec![format!("{} versus {}", study.named(&arm.arm.label), study.named(other))];
            cells.extend(view.budgets.iter().map(|&steps| {
                let difference = view.difference(arm, steps);
                difference.map_or_else(|| "-".to_owned(), |(_, difference)| sentences::briefly(&difference))
            }));
            rows.push(cells);
        }
    }
    let mut columns = vec![format!("on {}", task.name)];
    columns.extend(budgets.iter().map(|steps| format!("{steps} steps")));
    (!rows.is_empty()).then_some(Block::Table(Table { columns, rows }))
}

fn cost_section(
    document: &mut Document,
    results: &Results,
    costs: &Costs,
    task: &'static Task,
    budgets: &[u64],
) -> Result<()> {
    let seconds = |arm: &str, steps: u64| {
        let runs = results
            .finished
            .iter()
            .filter(|run| run.plan.task.name == task.name && run.plan.arm == arm && run.plan.steps == steps);
        Summary::of(&runs.map(FinishedRun::seconds).collect::<Vec<_>>())
    };
    let mut columns: Vec<String> =
        ["arm", "parameters", "training, images/s", "inference, images/s", "peak memory, MiB"]
            .map(str::to_owned)
            .into();
    columns.extend(budgets.iter().map(|steps| format!("seconds for {steps} steps")));
    let mut rows = Vec::new();
    let mut threads = 0;
    for arm in results.plan.arms(task)? {
        let Some(cost) = costs.of(task.name, &arm) else { continue };
        threads = cost.threads;
        let cost = &cost.measured;
        let mut cells = vec![
            arm.clone(),
            cost.parameters.to_string(),
            significant(cost.training_images_per_second),
            significant(cost.inference_images_per_second),
            cost.peak_bytes.map_or_else(|| "-".to_owned(), |bytes| (bytes >> 20).to_string()),
        ];
        cells.extend(
            budgets.iter().map(|&steps| {
                seconds(&arm, steps).map_or_else(|| "-".to_owned(), |s| format!("{:.1}", s.mean))
            }),
        );
        rows.push(cells);
    }
    if rows.is_empty() {
        return Ok(());
    }
    document.heading(2, format!("What each arm costs ({})", task.name));
    document.text(format!(
        "Speed and memory were measured before the sweep, each arm in its own process, with {threads} \
         thread{} and as many processes at a time as runs later; memory includes the dataset. Seconds are \
         means over the sweep's own runs, evaluations excluded.",
        if threads == 1 { "" } else { "s" }
    ));
    document.add(Block::Table(Table { columns, rows }));
    Ok(())
}
