//! The charts of a study.

use super::view::{ArmView, Line, StudyView};
use crate::results::Group;
use crate::statistics::Summary;
use pelk_report::chart::{Axis, Chart, Point, Scale, Series, Style};
use pelk_train::Metric;

fn axis(label: impl Into<String>) -> Axis {
    Axis { label: label.into(), ..Axis::default() }
}

/// The axis of the compared metric.
fn score(view: &StudyView) -> Axis {
    axis(format!("test {}, %", view.metric.name()))
}

fn point(x: f64, summary: Summary) -> Point {
    let deviation = summary.deviation.map(|deviation| 100.0 * deviation);
    Point { x, y: 100.0 * summary.mean, deviation, label: None }
}

/// The metric along the study's axis; `None` if its arms are categories. One line per training length, or per
/// series of arms after the longest.
pub fn along_axis(view: &StudyView) -> Option<Chart> {
    let label = view.study.axis.clone()?;
    let series = |name: String, steps: u64, line: &Line| {
        let points = line.arms.iter().filter_map(|arm| Some(point(arm.arm.x?, arm.score(steps)?)));
        Series { name, points: points.collect(), style: Style::Both }
    };
    let lines = view.lines();
    let longest = view.longest();
    let (title, series) = if let [line] = lines.as_slice() {
        let budgets = view.budgets.iter().map(|&steps| series(format!("{steps} steps"), steps, line));
        (view.metric.title().to_owned(), budgets.collect())
    } else {
        let lines = lines.iter().map(|line| series(line.name.clone().unwrap_or_default(), longest, line));
        (format!("{} after {longest} steps", view.metric.title()), lines.collect())
    };
    drawable(Chart { title, x: Axis { ticks: view.ticks(), ..axis(label) }, y: score(view), series })
}

/// The metric by number of parameters, per training length, or per series of arms after the longest.
pub fn against_parameters(view: &StudyView) -> Option<Chart> {
    let longest = view.longest();
    let place = |arm: &ArmView, steps: u64, label: Option<String>| {
        let parameters = arm.cost.as_ref()?.measured.parameters as f64 / 1e3;
        Some(Point { label, ..point(parameters, arm.score(steps)?) })
    };
    let lines = view.lines();
    let (title, series) = if let [line] = lines.as_slice() {
        let budgets = view.budgets.iter().map(|&steps| {
            let label = |arm: &ArmView| (steps == longest).then(|| arm.arm.label.clone());
            let points = line.arms.iter().filter_map(|arm| place(arm, steps, label(arm))).collect();
            Series { name: format!("{steps} steps"), points, style: Style::Points }
        });
        (format!("{} against parameters", view.metric.title()), budgets.collect())
    } else {
        let lines = lines.iter().map(|line| {
            let label = |arm: &ArmView| arm.arm.x.map(|x| x.to_string());
            let points = line.arms.iter().filter_map(|arm| place(arm, longest, label(arm))).collect();
            Series { name: line.name.clone().unwrap_or_default(), points, style: Style::Both }
        });
        (format!("{} against parameters after {longest} steps", view.metric.title()), lines.collect())
    };
    let x = Axis { scale: Scale::Log, ..axis("parameters, thousands") };
    drawable(Chart { title, x, y: score(view), series })
}

/// Accuracy or average precision of each group after one training length, for one line of arms: along the
/// study's axis, or along the groups if arms are categories.
pub fn by_group(view: &StudyView, line: &Line, steps: u64) -> Option<Chart> {
    let groups = view.groups();
    let metric = groups.first()?.metric;
    let title = line.title(&format!("{} by group after {steps} steps", metric.title()));
    let guessing = |xs: &[f64]| Series {
        name: "guessing".into(),
        points: xs.iter().map(|&x| Point { x, y: 100.0 * view.task.chance, ..Point::default() }).collect(),
        style: Style::Both,
    };
    let (x, mut series, xs) = if let Some(label) = &view.study.axis {
        let of = |group: &Group| {
            let name = group.value_name();
            let points =
                line.arms.iter().filter_map(|arm| Some(point(arm.arm.x?, arm.summary(steps, &name)?)));
            Series { name: group.name.clone(), points: points.collect(), style: Style::Both }
        };
        let series: Vec<Series> = groups.iter().map(of).collect();
        let xs: Vec<f64> = line.arms.iter().filter_map(|arm| arm.arm.x).collect();
        (Axis { ticks: view.ticks(), ..axis(label) }, series, xs)
    } else {
        let of = |arm: &&ArmView| {
            let points = groups.iter().enumerate();
            let points = points
                .filter_map(|(i, group)| Some(point(i as f64, arm.summary(steps, &group.value_name())?)));
            Series { name: arm.arm.label.clone(), points: points.collect(), style: Style::Both }
        };
        let series = line.arms.iter().map(of).collect();
        let xs = (0..groups.len()).map(|i| i as f64).collect();
        let ticks = groups.iter().enumerate().map(|(i, group)| (i as f64, group.name.clone())).collect();
        (Axis { ticks, ..axis("group") }, series, xs)
    };
    // Average precision has no level of guessing.
    if metric == Metric::Accuracy && series.iter().any(|series| !series.points.is_empty()) {
        series.push(guessing(&xs));
    }
    drawable(Chart { title, x, y: axis(format!("test {}, %", metric.name())), series })
}

/// The metric during the longest training, averaged over the seeds, for one line of arms.
pub fn curves(view: &StudyView, line: &Line) -> Option<Chart> {
    let steps = view.longest();
    let of = |arm: &&ArmView| {
        let points = arm.curve(steps).into_iter().map(|(step, summary)| point(step as f64, summary));
        Series { name: arm.arm.label.clone(), points: points.collect(), style: Style::Both }
    };
    let series = line.arms.iter().map(of).collect();
    let title = line.title(&format!("Training for {steps} steps"));
    drawable(Chart { title, x: axis("step"), y: score(view), series })
}

/// The chart without its empty series; `None` if nothing is left.
fn drawable(mut chart: Chart) -> Option<Chart> {
    chart.series.retain(|series| !series.points.is_empty());
    (!chart.series.is_empty()).then_some(chart)
}
