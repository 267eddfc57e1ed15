//! The report of a sweep: one content, written as HTML, as Markdown and as a table of numbers.

mod charts;
mod csv;
mod document;
mod html;
mod markdown;
mod sentences;
mod view;

use super::catalog::{Study, Task};
use super::cost::Costs;
use super::results::{FinishedRun, Results};
use super::statistics::Summary;
use crate::table::{Table as TextTable, number, text};
use anyhow::{Context, Result};
use document::{Block, Document, Figure, Picture, Table};
use pelk_models::{MixerConfig, zoo};
use pelk_train::write_atomically;
use std::path::{Path, PathBuf};
use view::{ArmView, StudyView};

/// The files that were written.
pub struct Written {
    /// The page.
    pub html: PathBuf,
    /// The sentences and the main numbers, for a terminal.
    pub summary: String,
}

/// Folder of the Markdown's pictures.
const FIGURES: &str = "figures";

/// Writes `report.html`, `report.md` with its figures, and `results.csv` into a folder.
///
/// # Errors
/// When a file cannot be written, or a chart not drawn.
pub fn write(results: &Results, costs: &Costs, out: &Path) -> Result<Written> {
    let (document, summary) = compose(results, costs)?;
    let figures = out.join(FIGURES);
    std::fs::create_dir_all(&figures).with_context(|| format!("cannot create {}", figures.display()))?;
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
        for study in plan.studies()? {
            let view = StudyView::new(results, costs, &study.name, task, budgets)?;
            let found = section(&mut sections, study, &view);
            summary += &format!("{} ({})\n{}", study.title, task.name, accuracies(&view));
            for sentence in &found {
                summary += &format!("  {sentence}\n");
            }
            summary.push('\n');
        }
        overviews.extend(overview(results, costs, task, budgets)?);
    }
    introduction(&mut document, results)?;
    if !overviews.is_empty() {
        document.heading(2, "At a glance");
        document.text(
            "Points of accuracy of one arm above or below another, where the difference is larger than the noise.",
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
        document.text(format!("Only {done} of {all} runs are done: what follows is of these alone."));
    }
    document.text(
        "Accuracies are of test data at the end of training, as mean and standard deviation over the seeds. Two arms are \
         compared seed by seed; the interval is that of Student's t for the mean of these differences. Where it holds 0, \
         the arms are not told apart, which does not mean that they are equal. One interval in twenty misses by chance.",
    );
    document.text(
        "Numbers of the paper are of another setting, PeLK-T on ImageNet-1K: compare the order of arms, not the values.",
    );
    Ok(())
}

/// All comparisons on one task.
fn overview(results: &Results, costs: &Costs, task: &'static Task, budgets: &[u64]) -> Result<Option<Block>> {
    let mut rows = Vec::new();
    for study in results.plan.studies()? {
        let view = StudyView::new(results, costs, &study.name, task, budgets)?;
        for arm in &view.arms {
            let Some(other) = view.study.compared_with(&arm.arm) else { continue };
            let mut cells = vec![format!("{} against {}", study.named(&arm.arm.label), study.named(other))];
            cells.extend(view.budgets.iter().map(|&steps| {
                let difference = view.difference(arm, steps);
                difference.map_or_else(|| "-".to_owned(), |(_, difference)| sentences::briefly(&difference))
            }));
            rows.push(cells);
        }
    }
    let mut columns = vec![format!("on {}", task.name)];
    columns.extend(budgets.iter().map(|steps| format!("{steps} steps")));
    Ok((!rows.is_empty()).then_some(Block::Table(Table { columns, rows })))
}

/// One study on one task; returns its sentences.
fn section(document: &mut Document, study: &Study, view: &StudyView) -> Vec<String> {
    document.heading(2, format!("{} ({})", study.title, view.task.name));
    document.text(study.question.clone());
    let found = findings(study, view);
    document.add(Block::List(found.clone()));
    document.add(Block::Table(table(study, view)));
    let id = |kind: &str| format!("{}-{}-{kind}", view.task.name, study.name);
    let mut figures = Vec::new();
    let mut add = |kind: String, chart: Option<crate::chart::Chart>, caption: &str| {
        let caption = caption.to_owned();
        figures.extend(chart.map(|chart| Figure {
            name: id(&kind),
            picture: Picture::Chart(chart),
            caption,
        }));
    };
    add("accuracy".into(), charts::along_axis(view), "Means and standard deviations over the seeds.");
    for &steps in &view.budgets {
        if !view.groups().is_empty() {
            let caption =
                "Means and standard deviations over the seeds; the lowest line is that of guessing.";
            add(format!("groups-{steps}"), charts::by_group(view, steps), caption);
        }
    }
    add("parameters".into(), charts::against_parameters(view), "Each point is an arm.");
    add(
        "curves".into(),
        charts::curves(view),
        "Test accuracy in the course of the longest training, means over the seeds.",
    );
    if !figures.is_empty() {
        document.add(Block::Figures(figures));
    }
    let thumbnails = thumbnails(view, &id("grid"));
    if !thumbnails.is_empty() {
        document.heading(3, "Sharing grids of the first stage");
        document.add(Block::Figures(thumbnails));
    }
    if let Some(paper) = &study.paper {
        document.heading(3, "In the paper");
        document.text(format!("{}.", paper.caption));
        document.add(Block::Table(Table {
            columns: vec!["trained".into(), "top-1 accuracy, %".into()],
            rows: paper
                .rows
                .iter()
                .map(|(label, accuracy)| vec![label.clone(), format!("{accuracy:.1}")])
                .collect(),
        }));
    }
    found
}

/// What the study tells, sentence by sentence.
fn findings(study: &Study, view: &StudyView) -> Vec<String> {
    let mut found = Vec::new();
    for arm in &view.arms {
        let differences: Vec<_> = view
            .budgets
            .iter()
            .filter_map(|&steps| {
                view.difference(arm, steps).map(|(other, difference)| (steps, other, difference))
            })
            .collect();
        let mut sentences: Vec<String> = differences
            .iter()
            .map(|(steps, other, difference)| {
                sentences::compared(&study.named(&arm.arm.label), &study.named(other), *steps, difference)
            })
            .collect();
        if let [(few, _, before), .., (many, _, after)] = differences.as_slice() {
            sentences.extend(sentences::changed((*few, before), (*many, after)));
        }
        if !sentences.is_empty() {
            found.push(sentences.join(" "));
        }
    }
    let groups = view.groups();
    found.extend(view.budgets.iter().filter_map(|&steps| {
        let means = |arm: &ArmView| {
            let mean = |group: &String| {
                let name = group.split_once(' ').map_or(group.as_str(), |(_, name)| name);
                Some((name.to_owned(), arm.summary(steps, group)?.mean))
            };
            (study.named(&arm.arm.label), groups.iter().filter_map(mean).collect())
        };
        sentences::guessed(steps, &view.arms.iter().map(means).collect::<Vec<_>>(), view.task.chance)
    }));
    found
}

fn table(study: &Study, view: &StudyView) -> Table {
    let paper = |arm: &ArmView| study.paper.as_ref().and_then(|paper| paper.accuracy(&arm.arm.label));
    let has_paper = view.arms.iter().any(|arm| paper(arm).is_some());
    let has_other = view.arms.iter().any(|arm| view.study.compared_with(&arm.arm).is_some());
    let mut columns = vec!["arm".to_owned(), "parameters".to_owned()];
    for steps in &view.budgets {
        columns.push(format!("accuracy, %, {steps} steps"));
        if has_other {
            columns.push(format!("difference [interval], {steps} steps"));
        }
    }
    if has_paper {
        columns.push("paper's top-1, %".to_owned());
    }
    let dash = || "-".to_owned();
    let row = |arm: &ArmView| {
        let parameters = arm.cost.as_ref().map_or_else(dash, |cost| cost.parameters.to_string());
        let mut cells = vec![arm.arm.label.clone(), parameters];
        for &steps in &view.budgets {
            cells.push(arm.accuracy(steps).map_or_else(dash, percent));
            if has_other {
                let difference = view.difference(arm, steps);
                cells.push(difference.map_or_else(dash, |(_, difference)| {
                    let mean = 100.0 * difference.summary.mean;
                    match difference.interval {
                        Some([low, high]) => {
                            format!("{mean:+.1} [{:+.1}, {:+.1}]", 100.0 * low, 100.0 * high)
                        }
                        None => format!("{mean:+.1}"),
                    }
                }));
            }
        }
        if has_paper {
            cells.push(paper(arm).map_or_else(dash, |accuracy| format!("{accuracy:.1}")));
        }
        cells
    };
    Table { rows: view.arms.iter().map(row).collect(), columns }
}

/// Mean and deviation in percent.
fn percent(summary: Summary) -> String {
    match summary.deviation {
        Some(deviation) => format!("{:.1} ± {:.1}", 100.0 * summary.mean, 100.0 * deviation),
        None => format!("{:.1}", 100.0 * summary.mean),
    }
}

/// Accuracies for a terminal.
fn accuracies(view: &StudyView) -> String {
    let mut table = TextTable::new([text("  arm"), number("steps"), number("accuracy, %"), number("seeds")]);
    for arm in &view.arms {
        for &steps in &view.budgets {
            if let Some(summary) = arm.accuracy(steps) {
                let n = summary.n.to_string();
                table.row([format!("  {}", arm.arm.label), steps.to_string(), percent(summary), n]);
            }
        }
    }
    table.to_string()
}

/// Pictures of the arms' first sharing grids, where arms differ in them.
fn thumbnails(view: &StudyView, name: &str) -> Vec<Figure> {
    let picture = |(i, arm): (usize, &ArmView)| {
        let spec = view.task.configure(&arm.arm.arm, &[]).ok()?.model;
        let network = zoo::configure(&spec, 1, 2).ok()?;
        // Stripes and plain kernels have no sharing grid.
        let MixerConfig::Peripheral(mixer) = &network.stages.first()?.mixer else { return None };
        let (kernel, cells) = (mixer.grid.kernel(), mixer.grid.cells());
        Some(Figure {
            name: format!("{name}-{i}"),
            picture: Picture::Thumbnail(pelk_grid::picture::thumbnail(&mixer.grid)),
            caption: format!("{}: {kernel} x {kernel} taps, {cells} x {cells} parameters", arm.arm.label),
        })
    };
    let figures: Vec<Figure> = view.arms.iter().enumerate().filter_map(picture).collect();
    let same = |a: &Figure, b: &Figure| matches!((&a.picture, &b.picture), (Picture::Thumbnail(a), Picture::Thumbnail(b)) if a == b);
    if figures.windows(2).all(|pair| same(&pair[0], &pair[1])) { Vec::new() } else { figures }
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
        let mut cells = vec![
            arm.clone(),
            cost.parameters.to_string(),
            format!("{:.0}", cost.training_images_per_second),
            format!("{:.0}", cost.inference_images_per_second),
            if cost.peak_bytes == 0 { "-".into() } else { (cost.peak_bytes >> 20).to_string() },
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
        "Speed and memory were measured before the sweep, each arm in a process of its own, with {threads} thread{} and as \
         many processes at once as runs later; the memory includes the dataset. Seconds are means over the sweep's own runs, \
         evaluations excluded.",
        if threads == 1 { "" } else { "s" }
    ));
    document.add(Block::Table(Table { columns, rows }));
    Ok(())
}
