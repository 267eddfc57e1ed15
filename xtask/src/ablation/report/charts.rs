//! The charts of a study.

use super::view::{ArmView, StudyView};
use crate::ablation::results::ACCURACY;
use crate::ablation::statistics::Summary;
use crate::chart::{Axis, Chart, MOST_SERIES, Point, Scale, Series};

const PERCENT: &str = "test accuracy, %";

fn axis(label: impl Into<String>) -> Axis {
    Axis { label: label.into(), ..Axis::default() }
}

fn point(x: f64, summary: Summary) -> Point {
    let deviation = summary.deviation.map(|deviation| 100.0 * deviation);
    Point { x, y: 100.0 * summary.mean, deviation, label: None }
}

/// Accuracy along the study's axis; none where its arms are categories. A line for each length of training, or for each
/// series of arms after the longest.
pub fn along_axis(view: &StudyView) -> Option<Chart> {
    let label = view.study.axis.clone()?;
    let line = |name: String, steps: u64, arms: Vec<&ArmView>| {
        let points = arms.iter().filter_map(|arm| Some(point(arm.arm.x?, arm.accuracy(steps)?)));
        Series { name, points: points.collect(), line: true }
    };
    let names = view.series();
    let longest = view.longest();
    let (title, series) = if names.is_empty() {
        let lines = view
            .budgets
            .iter()
            .map(|&steps| line(format!("{steps} steps"), steps, view.arms.iter().collect()));
        ("Accuracy".to_owned(), lines.collect())
    } else {
        let of =
            |name: &str| view.arms.iter().filter(|arm| arm.arm.series.as_deref() == Some(name)).collect();
        let lines = names.iter().map(|name| line(name.clone(), longest, of(name)));
        (format!("Accuracy after {longest} steps"), lines.collect())
    };
    drawable(Chart { title, x: Axis { ticks: view.ticks(), ..axis(label) }, y: axis(PERCENT), series })
}

/// Accuracy against the number of parameters.
pub fn against_parameters(view: &StudyView) -> Option<Chart> {
    let series = view.budgets.iter().map(|&steps| {
        let labelled = steps == view.longest();
        let points = view.arms.iter().filter_map(|arm| {
            let label = labelled.then(|| arm.arm.label.clone());
            Some(Point { label, ..point(arm.cost.as_ref()?.parameters as f64 / 1e3, arm.accuracy(steps)?) })
        });
        Series { name: format!("{steps} steps"), points: points.collect(), line: false }
    });
    let x = Axis { scale: Scale::Log, ..axis("parameters, thousands") };
    drawable(Chart {
        title: "Accuracy against parameters".into(),
        x,
        y: axis(PERCENT),
        series: series.collect(),
    })
}

/// Accuracy of each group of labels after one length of training: along the study's axis, or along the groups.
pub fn by_group(view: &StudyView, steps: u64) -> Option<Chart> {
    let groups = view.groups();
    let names = groups.iter().map(|group| group.trim_start_matches(ACCURACY).trim().to_owned());
    let names: Vec<String> = names.collect();
    let guessing = |from: f64, to: f64| Series {
        name: "guessing".into(),
        points: [from, to].map(|x| Point { x, y: 100.0 * view.task.chance, ..Point::default() }).into(),
        line: true,
    };
    let title = format!("Accuracy by group after {steps} steps");
    if let (Some(label), true) = (&view.study.axis, view.series().is_empty()) {
        let line = |(group, name): (&String, &String)| {
            let points =
                view.arms.iter().filter_map(|arm| Some(point(arm.arm.x?, arm.summary(steps, group)?)));
            Series { name: name.clone(), points: points.collect(), line: true }
        };
        let mut series: Vec<Series> = groups.iter().zip(&names).map(line).collect();
        let xs: Vec<f64> = view.arms.iter().filter_map(|arm| arm.arm.x).collect();
        series.push(guessing(
            xs.iter().copied().fold(f64::INFINITY, f64::min),
            xs.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        ));
        let x = Axis { ticks: view.ticks(), ..axis(label) };
        return drawable(Chart { title, x, y: axis(PERCENT), series });
    }
    let line = |arm: &ArmView| {
        let of = |(i, group): (usize, &String)| Some(point(i as f64, arm.summary(steps, group)?));
        Series {
            name: arm.arm.label.clone(),
            points: groups.iter().enumerate().filter_map(of).collect(),
            line: true,
        }
    };
    let mut series: Vec<Series> = view.arms.iter().map(line).collect();
    series.push(guessing(0.0, groups.len().saturating_sub(1) as f64));
    let ticks = names.into_iter().enumerate().map(|(i, name)| (i as f64, name)).collect();
    drawable(Chart { title, x: Axis { ticks, ..axis("group of labels") }, y: axis(PERCENT), series })
}

/// Accuracy over the longest training, means over the seeds.
pub fn curves(view: &StudyView) -> Option<Chart> {
    let steps = view.longest();
    let line = |arm: &ArmView| {
        let points = arm.curve(steps).into_iter().map(|(step, summary)| point(step as f64, summary));
        Series { name: arm.arm.label.clone(), points: points.collect(), line: true }
    };
    let series = view.arms.iter().map(line).collect();
    let title = format!("Training for {steps} steps");
    drawable(Chart { title, x: axis("step"), y: axis(PERCENT), series })
}

/// The chart, if it has something to show, and no more lines than eyes can hold apart.
fn drawable(mut chart: Chart) -> Option<Chart> {
    chart.series.retain(|series| !series.points.is_empty());
    (!chart.series.is_empty() && chart.series.len() <= MOST_SERIES).then_some(chart)
}
