//! Drawing a [`Chart`].

use super::axis::Extent;
use super::canvas::{Area, Drawing, Legend, MARGIN, TEXT, WIDTH, line, marker, text, width, write};
use super::series::{Chart, MOST_SERIES, Point, Scale, Series};
use super::theme::{GRID, INK, SERIES};
use crate::error::{ReportError, Result};
use plotters::style::text_anchor::HPos;

/// Height of the plot area.
const PLOT: f64 = 220.0;
/// Half the width of the caps of an error bar.
const CAP: f64 = 4.0;

impl Chart {
    /// The chart as a standalone SVG file.
    ///
    /// # Errors
    /// When there are more series than colors, nothing to draw, or a value at or below 0 on a logarithmic
    /// axis.
    pub fn svg(&self) -> Result<String> {
        Ok(draw(self)?.standalone())
    }

    /// The chart as an element for an HTML page whose style sheet includes [`STYLE`](super::STYLE).
    ///
    /// # Errors
    /// Same as [`Chart::svg`].
    pub fn inline(&self) -> Result<String> {
        Ok(draw(self)?.inline())
    }
}

/// Several charts side by side in one file; `title` is read by screen readers.
///
/// # Errors
/// Same as [`Chart::svg`].
pub fn side_by_side(title: &str, charts: &[Chart]) -> Result<String> {
    let drawings = charts.iter().map(draw).collect::<Result<Vec<_>>>()?;
    Ok(Drawing::beside_each_other(title, &drawings))
}

fn draw(chart: &Chart) -> Result<Drawing> {
    check(chart)?;
    let points = || chart.series.iter().flat_map(|series| series.points.iter().filter(|point| drawn(point)));
    let ends = |point: &Point| {
        let deviation = deviation(point);
        [point.y - deviation, point.y, point.y + deviation].map(|y| chart.y.scale.place(y))
    };
    let x = chart.x.extent(points().map(|point| chart.x.scale.place(point.x)));
    let y = chart.y.extent(points().flat_map(ends));
    let nothing = || ReportError::chart(&chart.title, "has no point to draw".to_owned());
    let (x, y) = x.zip(y).ok_or_else(nothing)?;

    let names = chart.series.iter().map(|series| series.name.as_str());
    // With a single series the title says what it is.
    let legend = Legend::new(names.filter(|_| chart.series.len() > 1));
    let widest = y.ticks.iter().map(|(_, text)| width(text)).fold(0.0, f64::max);
    let top = MARGIN + 2.0 * TEXT + if chart.y.label.is_empty() { 0.0 } else { 1.5 * TEXT };
    let frame = Frame {
        chart,
        left: MARGIN + widest + 8.0,
        right: WIDTH - MARGIN - 6.0,
        top,
        bottom: top + PLOT,
        x,
        y,
    };
    let below = frame.bottom + 2.0 * TEXT + if chart.x.label.is_empty() { 0.0 } else { 1.4 * TEXT };
    Drawing::new(&chart.title, below + legend.height() + MARGIN, |area| {
        frame.axes(area)?;
        for (i, series) in chart.series.iter().enumerate() {
            frame.series(area, i, series)?;
        }
        legend.draw(area, below, |i, [x, y]| {
            let style = chart.series[i].style;
            if style.line() {
                line(area, &[[x - 10.0, y], [x + 10.0, y]], SERIES[i], 2.0)?;
            }
            if style.markers() { marker(area, [x, y], i, SERIES[i]) } else { Ok(()) }
        })
    })
}

/// Whether a point was measured.
fn drawn(point: &Point) -> bool {
    point.x.is_finite() && point.y.is_finite()
}

/// Half the height of the error bar; 0 without one.
fn deviation(point: &Point) -> f64 {
    point.deviation.filter(|deviation| deviation.is_finite()).unwrap_or(0.0)
}

fn check(chart: &Chart) -> Result<()> {
    let series = chart.series.len();
    if series > MOST_SERIES {
        let reason = format!("has {series} series, but there are only {MOST_SERIES} colors");
        return Err(ReportError::chart(&chart.title, reason));
    }
    for (axis, value) in [(&chart.x, (|point| point.x) as fn(&Point) -> f64), (&chart.y, |point| point.y)] {
        for series in &chart.series {
            let lowest =
                series.points.iter().filter(|point| drawn(point)).map(value).fold(f64::INFINITY, f64::min);
            if axis.scale == Scale::Log && lowest <= 0.0 {
                let reason = format!(
                    "has the value {lowest} of series {:?} on the logarithmic axis {:?}; it must be above 0",
                    series.name, axis.label
                );
                return Err(ReportError::chart(&chart.title, reason));
            }
        }
    }
    Ok(())
}

/// The plot area within the drawing.
struct Frame<'a> {
    chart: &'a Chart,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Extent,
    y: Extent,
}

impl Frame<'_> {
    fn x_at(&self, place: f64) -> f64 {
        self.left + (self.right - self.left) * (place - self.x.low) / (self.x.high - self.x.low)
    }

    fn y_at(&self, place: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * (place - self.y.low) / (self.y.high - self.y.low)
    }

    /// Position of a point. Values below a logarithmic axis, such as the lower end of an error bar, go to its
    /// bottom.
    fn at(&self, x: f64, y: f64) -> [f64; 2] {
        let y = self.chart.y.scale.place(y);
        [self.x_at(self.chart.x.scale.place(x)), if y.is_nan() { self.bottom } else { self.y_at(y) }]
    }

    fn axes(&self, area: &Area<'_>) -> Result<()> {
        let Frame { left, right, top, bottom, .. } = *self;
        for (place, tick) in &self.y.ticks {
            let y = self.y_at(*place);
            line(area, &[[left, y], [right, y]], GRID, 1.0)?;
            write(area, tick, [left - 6.0, y], HPos::Right, &text(INK))?;
        }
        // Skip labels that would touch the previous one, but keep their grid lines.
        let mut free = f64::NEG_INFINITY;
        for (place, tick) in &self.x.ticks {
            let (x, half) = (self.x_at(*place), 0.5 * width(tick));
            line(area, &[[x, top], [x, bottom + 4.0]], GRID, 1.0)?;
            if x - half > free {
                write(area, tick, [x, bottom + 0.5 * TEXT + 7.0], HPos::Center, &text(INK))?;
                free = x + half + 2.0;
            }
        }
        line(area, &[[left, top], [left, bottom], [right, bottom]], INK, 1.0)?;
        write(area, &self.chart.y.label, [MARGIN, top - 1.1 * TEXT], HPos::Left, &text(INK))?;
        let middle = 0.5 * (left + right);
        write(area, &self.chart.x.label, [middle, bottom + 2.2 * TEXT], HPos::Center, &text(INK))
    }

    fn series(&self, area: &Area<'_>, index: usize, series: &Series) -> Result<()> {
        let color = SERIES[index];
        if series.style.line() {
            for run in series.points.split(|point| !drawn(point)).filter(|run| run.len() > 1) {
                let places: Vec<_> = run.iter().map(|point| self.at(point.x, point.y)).collect();
                line(area, &places, color, 2.0)?;
            }
        }
        for point in series.points.iter().filter(|point| drawn(point)) {
            let [x, y] = self.at(point.x, point.y);
            let deviation = deviation(point);
            if deviation > 0.0 {
                let [high, low] = [deviation, -deviation].map(|d| self.at(point.x, point.y + d)[1]);
                line(area, &[[x, high], [x, low]], color, 1.25)?;
                for end in [high, low] {
                    line(area, &[[x - CAP, end], [x + CAP, end]], color, 1.25)?;
                }
            }
            if series.style.markers() {
                marker(area, [x, y], index, color)?;
            }
            if let Some(label) = &point.label {
                // Above the line through the point, on the side with room.
                let fits = x + 8.0 + width(label) < WIDTH;
                let (x, anchor) = if fits { (x + 8.0, HPos::Left) } else { (x - 8.0, HPos::Right) };
                write(area, label, [x, y - 0.5 * TEXT], anchor, &text(INK))?;
            }
        }
        Ok(())
    }
}
