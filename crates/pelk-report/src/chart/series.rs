//! What a chart over two axes shows.

use super::theme;

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
    /// How they are drawn.
    pub style: Style,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// A marker at each point.
    Points,
    /// A line through the points, for more of them than markers have room for.
    Line,
    /// A line through the points and a marker at each.
    #[default]
    Both,
}

impl Style {
    /// Whether points have markers.
    pub(super) fn markers(self) -> bool {
        self != Style::Line
    }

    /// Whether points are joined.
    pub(super) fn line(self) -> bool {
        self != Style::Points
    }
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
