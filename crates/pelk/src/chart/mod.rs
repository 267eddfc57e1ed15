//! Charts as SVG that read in light and dark surroundings and at any width: lines or points with error bars, stacked
//! bars, and heat maps of shares.
//!
//! plotters draws in the colors of the light theme; [`theme`] adds to each the CSS variable that a dark surrounding
//! changes. A viewer without CSS variables shows the light theme.

mod axis;
mod bars;
mod canvas;
mod matrix;
mod plot;
mod theme;

pub use bars::{Bars, Row};
pub use matrix::Matrix;
pub use theme::STYLE;

use anyhow::Result;

/// A chart of up to [`MOST_SERIES`] series over two axes, 480 units wide.
#[derive(Debug, Clone)]
pub struct Chart {
    /// What it shows; printed above it and read out by screen readers.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis; its label stands above it.
    pub y: Axis,
    /// The series, in the order of the legend.
    pub series: Vec<Series>,
}

/// As many series and segments have colors that stay apart.
pub const MOST_SERIES: usize = theme::COLORS;

/// An axis.
#[derive(Debug, Clone, Default)]
pub struct Axis {
    /// What it measures, and the unit.
    pub label: String,
    /// It reaches at least from the first to the second value, and always holds all points.
    pub range: Option<(f64, f64)>,
    /// How values are placed.
    pub scale: Scale,
    /// Marked values and what is written at them; automatic where empty.
    pub ticks: Vec<(f64, String)>,
}

/// How values are placed along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// Evenly.
    #[default]
    Linear,
    /// By their logarithm; values must be above 0.
    Log,
}

/// Measurements that belong together: one color, one shape of marker, one entry of the legend.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its points, in the order in which they are joined. Those whose place is not finite stand for what was not measured:
    /// they are left out, and the line is broken there.
    pub points: Vec<Point>,
    /// Whether the points are joined.
    pub line: bool,
}

/// A measurement.
#[derive(Debug, Clone, Default)]
pub struct Point {
    /// Its place along the horizontal axis.
    pub x: f64,
    /// Its place along the vertical axis.
    pub y: f64,
    /// Half the height of its error bar.
    pub deviation: Option<f64>,
    /// What is written beside it.
    pub label: Option<String>,
}

impl Chart {
    /// The chart as a file of its own.
    ///
    /// # Errors
    /// When there are more series than colors, nothing is left to draw, or a value on a logarithmic axis is not above 0.
    pub fn svg(&self) -> Result<String> {
        Ok(plot::draw(self)?.standalone())
    }

    /// The chart as an element of a page that has [`STYLE`] in its style sheet.
    ///
    /// # Errors
    /// As [`Chart::svg`].
    pub fn inline(&self) -> Result<String> {
        Ok(plot::draw(self)?.inline())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(series: usize, y: Scale) -> Chart {
        let point = |x: f64, y: f64| Point { x, y, ..Point::default() };
        let axis = |label: &str, scale| Axis { label: label.to_owned(), scale, ..Axis::default() };
        let series = (0..series).map(|i| Series {
            name: format!("series <{i}>"),
            points: [1.0 + i as f64, 4.0, f64::NAN, 2.0, 3.0]
                .into_iter()
                .zip(1..)
                .map(|(y, x)| point(f64::from(x), y))
                .collect(),
            line: true,
        });
        Chart {
            title: "Up & down".to_owned(),
            x: axis("kernel", Scale::Linear),
            y: axis("error", y),
            series: series.collect(),
        }
    }

    #[test]
    fn a_file_carries_its_style_and_an_element_does_not() {
        let chart = chart(2, Scale::Linear);
        let (file, element) = (chart.svg().unwrap(), chart.inline().unwrap());
        assert!(file.contains("prefers-color-scheme: dark") && file.contains("fill:var(--chart-ground)"));
        assert!(!element.contains("prefers-color-scheme") && !element.contains("<rect width=\"100%\""));
        for svg in [&file, &element] {
            assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
            assert_eq!(svg.matches("<svg").count(), 1);
            let head = svg.lines().next().unwrap();
            assert!(head.contains("viewBox=") && !head.contains(" width="), "{head}");
            assert!(svg.contains("role=\"img\" aria-label=\"Up &amp; down\""), "{head}");
            assert!(svg.contains("series &lt;1&gt;") && !svg.contains("<1>"));
        }
    }

    #[test]
    fn every_series_has_its_color() {
        let svg = chart(MOST_SERIES, Scale::Linear).inline().unwrap();
        for i in 1..=MOST_SERIES {
            assert!(svg.contains(&format!("var(--chart-{i})")), "series {i} is missing");
        }
    }

    #[test]
    fn points_that_are_not_finite_are_left_out_and_break_the_line() {
        let mut chart = chart(1, Scale::Linear);
        let lines = |chart: &Chart| {
            let svg = chart.inline().unwrap();
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
            svg.lines().filter(|line| line.starts_with("<polyline") && line.contains("--chart-1")).count()
        };
        assert_eq!(lines(&chart), 2);
        chart.series[0].points[2].y = 3.0;
        assert_eq!(lines(&chart), 1);
        chart.series[0].points[1].x = f64::INFINITY;
        assert_eq!(lines(&chart), 1);
    }

    #[test]
    fn what_cannot_be_drawn_is_refused_by_name() {
        let error = |chart: &Chart| format!("{:#}", chart.svg().unwrap_err());
        let many = error(&chart(MOST_SERIES + 1, Scale::Linear));
        assert!(many.contains("9 series") && many.contains('8'), "{many}");
        let mut zero = chart(2, Scale::Log);
        zero.series[1].points[0].y = 0.0;
        let zero = error(&zero);
        assert!(zero.contains("series <1>") && zero.contains("logarithmic"), "{zero}");
        assert!(error(&chart(0, Scale::Linear)).contains("no point"));
    }

    #[test]
    fn one_point_and_equal_points_have_a_place() {
        let mut one = chart(1, Scale::Log);
        one.series[0].points.truncate(1);
        one.series[0].points[0].deviation = Some(0.5);
        one.series[0].points[0].label = Some("here".to_owned());
        let svg = one.svg().unwrap();
        assert!(svg.contains("here") && !svg.contains("NaN"));
    }
}
