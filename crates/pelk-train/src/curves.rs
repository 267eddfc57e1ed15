//! The picture of a run: loss, and accuracy or mIoU, by step.

use crate::config::TrainConfig;
use crate::error::{Result, TrainError};
use crate::metrics::{Metric, MetricsRow};
use pelk_report::chart::{Axis, Chart, Point, Series, Style, side_by_side};

/// Largest number of evaluations that are marked individually.
const MOST_MARKERS: usize = 40;

/// Draws the curves as SVG: the losses beside the accuracy or the mIoU of the test images.
///
/// # Errors
/// When the drawing library fails.
pub fn draw(config: &TrainConfig, rows: &[MetricsRow]) -> Result<String> {
    let metric = config.metric();
    let curve = |name: &str, value: &dyn Fn(&MetricsRow) -> Option<f64>| Series {
        name: name.to_owned(),
        points: rows
            .iter()
            .map(|row| Point { x: row.step as f64, y: value(row).unwrap_or(f64::NAN), ..Point::default() })
            .collect(),
        style: if rows.len() > MOST_MARKERS { Style::Line } else { Style::Both },
    };
    let losses =
        [curve(&training_loss(config), &|row| row.train_loss), curve("test", &|row| row.test.loss())];
    let network = |row: &MetricsRow| Some(100.0 * metric.of(&row.test)?);
    let mut scores = vec![curve("network", &network)];
    if rows.iter().any(|row| row.ema.is_some()) {
        let lowest = rows.iter().filter_map(network).fold(f64::INFINITY, f64::min);
        scores.push(curve("average of its weights", &|row| caught_up(row, metric, lowest)));
    }
    let name = format!("test {}, %", metric.name());
    let charts = [chart("Loss", "", losses.into()), chart(&name, "", scores)];
    side_by_side(&format!("Loss and {name}, by step"), &charts)
        .map_err(|error| TrainError::Curves(error.to_string()))
}

/// What makes the training loss differ from the loss of the unchanged images.
fn training_loss(config: &TrainConfig) -> String {
    let mut parts = Vec::new();
    if config.data.mix.is_on() {
        parts.push("mixed images".to_owned());
    }
    if config.loss.label_smoothing > 0.0 {
        parts.push(format!("labels smoothed by {}", config.loss.label_smoothing));
    }
    if parts.is_empty() { "training".to_owned() } else { format!("training ({})", parts.join(", ")) }
}

/// The score of averaged weights. In its first epochs an average is mostly the initial weights: scores below
/// all of the network's would only squash the axis, so they are not drawn.
fn caught_up(row: &MetricsRow, metric: Metric, lowest: f64) -> Option<f64> {
    row.ema.and_then(|scores| Some(100.0 * metric.of(&scores)?)).filter(|score| *score >= lowest)
}

/// A chart over the steps; it may have no point yet.
fn chart(title: &str, label: &str, series: Vec<Series>) -> Chart {
    let nothing = !series.iter().any(|series| series.points.iter().any(|point| point.y.is_finite()));
    let range = nothing.then_some((0.0, 1.0));
    Chart {
        title: title.to_owned(),
        x: Axis { label: "step".to_owned(), range, ..Axis::default() },
        y: Axis { label: label.to_owned(), range, ..Axis::default() },
        series,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{LabelScores, Scores};

    fn config(settings: &[&str]) -> TrainConfig {
        let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
        TrainConfig::parse("test", "model.name = \"pelk_atto\"\ndata.dataset = \"scenes\"", &settings)
            .unwrap()
    }

    fn row(step: u64, accuracy: f64, ema: Option<f64>) -> MetricsRow {
        let scores = |accuracy| {
            let (accuracy, mean_iou) = (Some(accuracy), Some(accuracy));
            Scores::Labels(LabelScores { loss: None, accuracy, top5_accuracy: Some(1.0), mean_iou })
        };
        MetricsRow {
            epoch: step,
            step,
            learning_rate: 1.0,
            train_loss: Some(0.5),
            test: scores(accuracy),
            ema: ema.map(scores),
            nonzeros: 1,
            images_per_second: 1.0,
        }
    }

    #[test]
    fn an_empty_run_one_epoch_and_values_that_are_missing_are_drawn() {
        let rows = [row(1, 0.9, None), row(2, 0.8, Some(0.8))];
        for rows in [&rows[..0], &rows[..1], &rows[..]] {
            let svg = draw(&config(&["model.upernet={}"]), rows).unwrap();
            assert!(svg.contains("test mIoU, %"));
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            assert!(!svg.contains("NaN"), "{svg}");
        }
    }

    #[test]
    fn an_average_that_has_not_caught_up_does_not_squash_the_axis() {
        let rows = [row(1, 0.88, Some(0.1)), row(2, 0.90, Some(0.3)), row(3, 0.92, Some(0.93))];
        let svg = draw(&config(&[]), &rows).unwrap();
        assert!(svg.contains("average of its weights"));
        for far in [">20<", ">40<", ">60<"] {
            assert!(!svg.contains(far), "{far} is marked:\n{svg}");
        }
    }

    #[test]
    fn the_legend_says_what_the_training_loss_is() {
        let name = |settings: &[&str]| training_loss(&config(settings));
        assert_eq!(name(&["loss.label_smoothing=0"]), "training");
        assert_eq!(name(&["loss.label_smoothing=0.1"]), "training (labels smoothed by 0.1)");
        let mixed = ["loss.label_smoothing=0", "data.mix.mixup_alpha=0.8"];
        assert_eq!(name(&mixed), "training (mixed images)");
    }
}
