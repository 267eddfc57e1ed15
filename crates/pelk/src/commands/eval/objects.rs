//! The results of a detector: COCO's tables, the average precision of each class and group, and precision by
//! recall.

use super::tables::choose;
use super::{EvalArgs, beside, saved};
use crate::folders::shown;
use crate::output::say;
use anyhow::{Context, Result};
use pelk_coco::{Evaluation, Selection};
use pelk_report::chart::{Axis, Chart, Point, Series, Style};
use pelk_report::table::{Table, number, text};
use pelk_train::{GroupResult, GroupScores, ObjectEvaluation, write_atomically};

/// Overlaps whose curves are drawn.
const CURVES: [f64; 3] = [0.5, 0.75, 0.9];

/// Prints the classes, the groups if there are any, and COCO's numbers.
pub fn print(found: &ObjectEvaluation, classes: &[String], all: bool) {
    let of = |evaluation: &Evaluation, class: usize| {
        let selection = Selection { category: Some(class), ..Selection::default() };
        evaluation.average_precision(selection)
    };
    let (rows, remark) = choose(classes.len(), all, "box AP", |class| of(&found.boxes, class));
    let mut table = Table::new([text("class"), number("box AP"), number("mask AP")]);
    for class in rows {
        table.row([
            classes[class].clone(),
            percent(of(&found.boxes, class)),
            percent(of(&found.masks, class)),
        ]);
    }
    say!("{table}");
    if let Some(remark) = remark {
        say!("{remark}\n");
    }
    if !found.groups.is_empty() {
        say!("{}", by_group(&found.groups));
    }
    say!("Boxes\n{}", found.boxes.summary());
    say!("Masks\n{}", found.masks.summary());
}

/// The average precision of each group.
fn by_group(groups: &[GroupResult]) -> Table<4> {
    let mut table = Table::new([text("group"), number("objects"), number("box AP"), number("mask AP")]);
    for GroupResult { name, count, scores } in groups {
        // A detector's groups are of objects.
        let GroupScores::Objects { box_ap, mask_ap } = *scores else { continue };
        let [box_ap, mask_ap] = [box_ap, mask_ap].map(percent);
        table.row([name.clone(), count.to_string(), box_ap, mask_ap]);
    }
    table
}

/// A share in percent, or `-`.
fn percent(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{:.1} %", 100.0 * value))
}

/// Writes the curves, and the results if a file is named.
///
/// # Errors
/// When a file cannot be written.
pub fn save(args: &EvalArgs, found: &ObjectEvaluation, name: &str, measured: &str) -> Result<()> {
    if let Some(path) = &args.results {
        pelk_coco::write_results(path, &found.results)?;
        saved(args, &format!("\n{} results in COCO's format: {}", found.results.len(), shown(path)));
    }
    let path = args.precision.clone().unwrap_or_else(|| beside(args, "precision.svg"));
    let svg = chart(found, format!("{name}, {measured}")).svg()?;
    write_atomically(&path, svg.as_bytes())
        .context("cannot save the curves of precision; choose another file with --precision")?;
    saved(args, &format!("\nPrecision by recall:\n  open {}", shown(&path)));
    Ok(())
}

/// The mean precision of all classes by recall, of boxes and masks, at a few overlaps.
fn chart(found: &ObjectEvaluation, title: String) -> Chart {
    let mut series = Vec::new();
    for (what, evaluation) in [("boxes", &found.boxes), ("masks", &found.masks)] {
        for iou in CURVES {
            let points = curve(evaluation, iou);
            series.push(Series { name: format!("{what}, IoU {iou}"), points, style: Style::Line });
        }
    }
    let axis = |label: &str| Axis { label: label.to_owned(), range: Some((0.0, 1.0)), ..Axis::default() };
    Chart { title, x: axis("recall"), y: axis("precision"), series }
}

fn curve(evaluation: &Evaluation, iou: f64) -> Vec<Point> {
    let settings = evaluation.settings();
    let Some(position) = settings.iou_thresholds.iter().position(|threshold| (threshold - iou).abs() < 1e-9)
    else {
        return Vec::new();
    };
    let limit = settings.max_detections.len() - 1;
    let curves: Vec<&[f64]> = (0..evaluation.categories().len())
        .filter_map(|category| evaluation.precision(position, category, 0, limit))
        .collect();
    let mean = |i: usize| curves.iter().map(|curve| curve[i]).sum::<f64>() / curves.len() as f64;
    let recalls = settings.recall_thresholds.iter().enumerate();
    recalls.map(|(i, &recall)| Point { x: recall, y: mean(i), ..Point::default() }).collect()
}
