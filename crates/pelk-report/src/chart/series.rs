//! The content of a chart with two axes.

use super::theme;

/// A chart of up to [`MOST_SERIES`] series over two axes, 480 units wide.
#[derive(Debug, Clone)]
pub struct Chart {
    /// The title, printed above the chart and read by screen readers.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis; its label is written above it.
    pub y: Axis,
    /// The series, in legend order.
    pub series: Vec<Series>,
}

/// Maximum number of series or segments: the number of colors that can be told apart.
pub const MOST_SERIES: usize = theme::COLORS;

/// An axis.
#[derive(Debug, Clone, Default)]
pub struct Axis {
    /// The quantity and its unit.
    pub label: String,
    /// The axis covers at least this range, and always all points.
    pub range: Option<(f64, f64)>,
    /// Linear or logarithmic.
    pub scale: Scale,
    /// Tick positions and labels; automatic if empty.
    pub ticks: Vec<(f64, String)>,
}

/// The scale of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// Linear.
    #[default]
    Linear,
    /// Logarithmic; values must be above 0.
    Log,
}

/// A group of measurements with one color, marker and legend entry.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// The points, in the order in which they are joined. Points that are not finite were not measured: they
    /// are left out and break the line.
    pub points: Vec<Point>,
    /// Markers, line or both.
    pub style: Style,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Markers only.
    Points,
    /// Line only, for more points than there is room for markers.
    Line,
    /// Line and markers.
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
    /// Value on the horizontal axis.
    pub x: f64,
    /// Value on the vertical axis.
    pub y: f64,
    /// Half the height of its error bar.
    pub deviation: Option<f64>,
    /// Text beside it.
    pub label: Option<String>,
}
