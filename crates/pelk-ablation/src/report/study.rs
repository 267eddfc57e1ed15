//! The section of a report about one study on one task: sentences, numbers, charts and sharing grids.

use super::sentences::signed;
use super::view::{ArmView, StudyView};
use super::{charts, sentences};
use crate::catalog::Study;
use crate::results::Group;
use crate::statistics::Summary;
use pelk_models::{MixerConfig, zoo};
use pelk_report::chart::Chart;
use pelk_report::document::{Block, Document, Figure, Picture, Table};
use pelk_report::table::{Table as TextTable, number, text};
use pelk_train::Metric;

/// Adds one study on one task; returns its sentences.
pub fn section(document: &mut Document, study: &Study, view: &StudyView) -> Vec<String> {
    document.heading(2, format!("{} ({})", study.title, view.task.name));
    document.text(study.question.clone());
    let found = findings(study, view);
    document.add(Block::List(found.clone()));
    document.add(Block::Table(table(study, view)));
    let id = |kind: &str| format!("{}-{}-{kind}", view.task.name, study.name);
    let mut figures = Vec::new();
    let mut add = |kind: String, chart: Option<Chart>, caption: &str| {
        let caption = caption.to_owned();
        figures.extend(chart.map(|chart| Figure {
            name: id(&kind),
            picture: Picture::Chart(chart),
            caption,
        }));
    };
    add(
        view.metric.name().to_lowercase(),
        charts::along_axis(view),
        "Means and standard deviations over the seeds.",
    );
    let lines = view.lines();
    for &steps in &view.budgets {
        for line in &lines {
            let kind = format!("groups-{steps}{}", line.suffix());
            let caption = match view.groups().first() {
                Some(Group { metric: Metric::Accuracy, .. }) => {
                    "Means and standard deviations over the seeds; the flat line is guessing."
                }
                _ => "Means and standard deviations over the seeds.",
            };
            add(kind, charts::by_group(view, line, steps), caption);
        }
    }
    add("parameters".into(), charts::against_parameters(view), "Each point is an arm.");
    for line in &lines {
        let caption = "Test images during the longest training, means over the seeds.";
        add(format!("curves{}", line.suffix()), charts::curves(view, line), caption);
    }
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

/// The conclusions of the study, as sentences.
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
    // Average precision has no level of guessing.
    let mut groups = view.groups();
    groups.retain(|group| group.metric == Metric::Accuracy);
    found.extend(view.budgets.iter().filter_map(|&steps| {
        let means = |arm: &ArmView| {
            let mean =
                |group: &Group| Some((group.name.clone(), arm.summary(steps, &group.value_name())?.mean));
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
        columns.push(format!("{}, %, {steps} steps", view.metric.name()));
        if has_other {
            columns.push(format!("difference [interval], {steps} steps"));
        }
    }
    if has_paper {
        columns.push("paper's top-1, %".to_owned());
    }
    let dash = || "-".to_owned();
    let row = |arm: &ArmView| {
        let parameters = arm.cost.as_ref().map_or_else(dash, |cost| cost.measured.parameters.to_string());
        let mut cells = vec![arm.arm.label.clone(), parameters];
        for &steps in &view.budgets {
            cells.push(arm.score(steps).map_or_else(dash, percent));
            if has_other {
                let difference = view.difference(arm, steps);
                cells.push(difference.map_or_else(dash, |(_, difference)| {
                    let mean = signed(difference.summary.mean);
                    match difference.interval {
                        Some([low, high]) => format!("{mean} [{}, {}]", signed(low), signed(high)),
                        None => mean,
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

/// The compared metric of each arm, for a terminal.
pub fn scores(view: &StudyView) -> String {
    let score = match view.metric {
        Metric::Accuracy => "accuracy, %",
        Metric::MeanIou => "mIoU, %",
        Metric::BoxAp => "box AP, %",
    };
    let mut table = TextTable::new([text("  arm"), number("steps"), number(score), number("seeds")]);
    for arm in &view.arms {
        for &steps in &view.budgets {
            if let Some(summary) = arm.score(steps) {
                let n = summary.n.to_string();
                table.row([format!("  {}", arm.arm.label), steps.to_string(), percent(summary), n]);
            }
        }
    }
    table.to_string()
}

/// Pictures of the arms' first sharing grids, if they differ.
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
    let same = |a: &Figure, b: &Figure| match (&a.picture, &b.picture) {
        (Picture::Thumbnail(a), Picture::Thumbnail(b)) => a == b,
        _ => false,
    };
    if figures.windows(2).all(|pair| same(&pair[0], &pair[1])) { Vec::new() } else { figures }
}
