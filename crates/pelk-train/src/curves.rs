//! The picture of a run: loss and accuracy by step.

use crate::error::{Result, TrainError};
use crate::metrics::{Metric, MetricsRow};
use plotters::coord::Shift;
use plotters::prelude::*;

const SIZE: (u32, u32) = (960, 400);
// Hues that stay apart for color-blind readers.
const TRAIN: RGBColor = RGBColor(0x0b, 0x6e, 0x99);
const TEST: RGBColor = RGBColor(0xd9, 0x5f, 0x02);
const EMA: RGBColor = RGBColor(0x4d, 0x4d, 0x4d);

/// One curve: what it shows, its color, its value in a row.
type Curve<'a> = (&'static str, RGBColor, &'a dyn Fn(&MetricsRow) -> f64);

/// Draws the curves as SVG.
///
/// # Errors
/// When the drawing library refuses.
pub fn draw(metric: Metric, rows: &[MetricsRow]) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(refuse)?;
        let (left, right) = area.split_horizontally(SIZE.0 / 2);
        panel(
            &left,
            "Loss",
            rows,
            &[("training", TRAIN, &|r| r.train_loss), ("test", TEST, &|r| r.test.loss)],
        )?;
        let title = format!("Test {} (%)", metric.name());
        let ema = |r: &MetricsRow| r.ema.map_or(f64::NAN, |scores| 100.0 * metric.of(&scores));
        let curves: [Curve<'_>; 2] =
            [("network", TEST, &|r| 100.0 * metric.of(&r.test)), ("average of weights", EMA, &ema)];
        let averaged = rows.iter().any(|row| row.ema.is_some());
        panel(&right, &title, rows, &curves[..if averaged { 2 } else { 1 }])?;
        area.present().map_err(refuse)?;
    }
    Ok(svg)
}

fn refuse(error: impl std::fmt::Display) -> TrainError {
    TrainError::Curves(error.to_string())
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    title: &str,
    rows: &[MetricsRow],
    curves: &[Curve<'_>],
) -> Result<()> {
    let values = || curves.iter().flat_map(|(_, _, value)| rows.iter().map(value)).filter(|v| v.is_finite());
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
    let margin = (0.05 * (high - low)).max(1e-3);
    let first = rows.first().map_or(0, |row| row.step) as f64;
    let last = rows.last().map_or(1.0, |row| row.step as f64).max(first + 1.0);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(52)
        .build_cartesian_2d(first..last, low - margin..high + margin)
        .map_err(refuse)?;
    chart
        .configure_mesh()
        .x_desc("step")
        .x_label_formatter(&|step| format!("{step:.0}"))
        .light_line_style(TRANSPARENT)
        .draw()
        .map_err(refuse)?;
    for &(name, color, value) in curves {
        let points =
            rows.iter().map(|row| (row.step as f64, value(row))).filter(|(_, value)| value.is_finite());
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)).point_size(2))
            .map_err(refuse)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    // One curve is named by the title.
    if curves.len() < 2 {
        return Ok(());
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .draw()
        .map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Scores;

    #[test]
    fn draws_an_empty_run_one_epoch_and_values_that_are_not_finite() {
        let row = MetricsRow {
            epoch: 1,
            step: 1,
            learning_rate: 1.0,
            train_loss: 0.5,
            test: Scores { loss: f64::NAN, accuracy: 0.9, top5_accuracy: 1.0, mean_iou: 0.8 },
            ema: None,
            nonzeros: 1,
            images_per_second: 1.0,
        };
        for rows in [vec![], vec![row], vec![row, MetricsRow { step: 2, ema: Some(row.test), ..row }]] {
            let svg = draw(Metric::MeanIou, &rows).unwrap();
            assert!(svg.contains("Test mIoU (%)"));
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            assert!(!svg.contains("NaN"), "{svg}");
        }
    }
}
