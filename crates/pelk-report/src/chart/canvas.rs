//! Drawing primitives for all charts: text, markers, legend and the SVG frame.

use super::theme::{Color, INK, STYLE, themed};
use crate::error::{ReportError, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::Color as _;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// plotters rounds positions to whole units; this many of them make one chart unit.
pub(super) const FINE: f64 = 4.0;
/// Size of text.
pub(super) const TEXT: f64 = 13.0;
/// Width of a chart.
pub(super) const WIDTH: f64 = 480.0;
/// Space around a chart.
pub(super) const MARGIN: f64 = 10.0;
/// Estimated width of a character, on the generous side because the viewer chooses the font.
const CHARACTER: f64 = 0.6 * TEXT;
/// Height of a line of the legend.
const LEGEND_LINE: f64 = 20.0;
/// Distance from the left edge of a legend entry to its text.
const LEGEND_MARK: f64 = 26.0;
/// plotters divides font sizes by this because it measures line heights.
pub(super) const LINE_HEIGHT: f64 = 1.24;

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A length in plotters' units.
pub(super) fn units(length: f64) -> i32 {
    (FINE * length).round() as i32
}

/// The estimated width of a text.
pub(super) fn width(text: &str) -> f64 {
    CHARACTER * text.chars().count() as f64
}

/// A finished drawing.
pub(super) struct Drawing {
    /// Already escaped.
    title: String,
    width: f64,
    height: f64,
    elements: String,
}

impl Drawing {
    /// Draws on an area of width [`WIDTH`], the title first.
    pub fn new(title: &str, height: f64, draw: impl FnOnce(&Area<'_>) -> Result<()>) -> Result<Drawing> {
        let mut svg = String::new();
        let size = (units(WIDTH) as u32, units(height) as u32);
        {
            let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            let bold = ("sans-serif", LINE_HEIGHT * FINE * (TEXT + 1.0), FontStyle::Bold);
            let bold = bold.into_font().color(&INK.rgb());
            write(&area, title, [MARGIN, MARGIN + 7.0], HPos::Left, &bold)?;
            draw(&area)?;
            area.present().map_err(ReportError::drawing)?;
        }
        // We write the outer <svg> element ourselves.
        let elements = svg.lines().skip(1).filter(|line| *line != "</svg>");
        let elements =
            elements.map(|line| line.replace(" font-family=\"sans-serif\"", "") + "\n").collect::<String>();
        Ok(Drawing { title: escaped(title), width: WIDTH, height, elements: themed(&elements) })
    }

    /// As a standalone file.
    pub fn standalone(&self) -> String {
        let ground =
            "<rect width=\"100%\" height=\"100%\" fill=\"#FFFFFF\" style=\"fill:var(--chart-ground)\"/>";
        self.framed(&format!("<style>\n{STYLE}</style>\n{ground}\n"))
    }

    /// As an element for an HTML page.
    pub fn inline(&self) -> String {
        self.framed("")
    }

    /// Several drawings in one file, left to right.
    pub fn beside_each_other(title: &str, drawings: &[Drawing]) -> String {
        let height = drawings.iter().map(|drawing| drawing.height).fold(0.0, f64::max);
        let place = |i: usize, drawing: &Drawing| {
            format!("<g transform=\"translate({} 0)\">\n{}</g>\n", i as i32 * units(WIDTH), drawing.elements)
        };
        let elements = drawings.iter().enumerate().map(|(i, drawing)| place(i, drawing)).collect();
        let sheet = Drawing { title: escaped(title), width: WIDTH * drawings.len() as f64, height, elements };
        sheet.standalone()
    }

    fn framed(&self, first: &str) -> String {
        let Drawing { title, width, height, elements } = self;
        let (width, height) = (units(*width), units(*height));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" viewBox=\"0 0 {width} {height}\" \
             role=\"img\" aria-label=\"{title}\" font-family=\"system-ui, sans-serif\">\n\
             <title>{title}</title>\n{first}{elements}</svg>\n"
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text in this color.
pub(super) fn text(color: Color) -> TextStyle<'static> {
    ("sans-serif", LINE_HEIGHT * FINE * TEXT).into_font().color(&color.rgb())
}

/// Text with its left edge, middle or right edge at `x`, vertically centered on `y`.
pub(super) fn write(
    area: &Area<'_>,
    text: &str,
    [x, y]: [f64; 2],
    anchor: HPos,
    style: &TextStyle<'_>,
) -> Result<()> {
    // Viewers agree only on the baseline, which is a third of the size below the middle.
    let style = style.pos(Pos::new(anchor, VPos::Bottom));
    let baseline = y + 0.35 * TEXT + 0.25 * TEXT;
    area.draw(&Text::new(text.to_owned(), (units(x), units(baseline)), style)).map_err(ReportError::drawing)
}

/// A line of the given width through these points.
pub(super) fn line(area: &Area<'_>, points: &[[f64; 2]], color: Color, width: f64) -> Result<()> {
    let points: Vec<_> = points.iter().map(|&[x, y]| (units(x), units(y))).collect();
    area.draw(&PathElement::new(points, color.rgb().stroke_width(units(width) as u32)))
        .map_err(ReportError::drawing)
}

/// A filled rectangle between two corners.
pub(super) fn rectangle(
    area: &Area<'_>,
    [[left, top], [right, bottom]]: [[f64; 2]; 2],
    color: Color,
) -> Result<()> {
    let corners = [(units(left), units(top)), (units(right), units(bottom))];
    area.draw(&Rectangle::new(corners, color.rgb().filled())).map_err(ReportError::drawing)
}

/// Outlines of the markers within a circle of radius 1; the first is a circle.
const MARKERS: [&[[f64; 2]]; 8] = [
    &[],
    &[[-0.8, -0.8], [0.8, -0.8], [0.8, 0.8], [-0.8, 0.8]],
    &[[0.0, -1.1], [1.0, 0.75], [-1.0, 0.75]],
    &[[0.0, -1.2], [1.0, 0.0], [0.0, 1.2], [-1.0, 0.0]],
    &[[0.0, 1.1], [-1.0, -0.75], [1.0, -0.75]],
    &[
        [-0.35, -1.1],
        [0.35, -1.1],
        [0.35, -0.35],
        [1.1, -0.35],
        [1.1, 0.35],
        [0.35, 0.35],
        [0.35, 1.1],
        [-0.35, 1.1],
        [-0.35, 0.35],
        [-1.1, 0.35],
        [-1.1, -0.35],
        [-0.35, -0.35],
    ],
    &[[-1.1, -0.55], [1.1, -0.55], [1.1, 0.55], [-1.1, 0.55]],
    &[
        [0.0, -1.2],
        [0.3, -0.4],
        [1.15, -0.37],
        [0.48, 0.15],
        [0.7, 0.97],
        [0.0, 0.5],
        [-0.7, 0.97],
        [-0.48, 0.15],
        [-1.15, -0.37],
        [-0.3, -0.4],
    ],
];

/// The marker of series `index`; each series has its own shape.
pub(super) fn marker(area: &Area<'_>, [x, y]: [f64; 2], index: usize, color: Color) -> Result<()> {
    const RADIUS: f64 = 4.2;
    let outline = MARKERS[index % MARKERS.len()];
    if outline.is_empty() {
        let circle = Circle::new((units(x), units(y)), units(RADIUS), color.rgb().filled());
        return area.draw(&circle).map_err(ReportError::drawing);
    }
    let points: Vec<_> =
        outline.iter().map(|[dx, dy]| (units(x + RADIUS * dx), units(y + RADIUS * dy))).collect();
    area.draw(&Polygon::new(points, color.rgb().filled())).map_err(ReportError::drawing)
}

/// Legend entries, in rows no wider than a chart.
pub(super) struct Legend<'a> {
    /// Row, left edge, name.
    entries: Vec<(usize, f64, &'a str)>,
}

impl<'a> Legend<'a> {
    pub fn new(names: impl Iterator<Item = &'a str>) -> Legend<'a> {
        let (mut row, mut x) = (0, MARGIN);
        let entries = names.map(|name| {
            let length = LEGEND_MARK + width(name) + 12.0;
            if x > MARGIN && x + length > WIDTH {
                (row, x) = (row + 1, MARGIN);
            }
            let entry = (row, x, name);
            x += length;
            entry
        });
        Legend { entries: entries.collect() }
    }

    /// Its height.
    pub fn height(&self) -> f64 {
        self.entries.last().map_or(0.0, |(row, ..)| LEGEND_LINE * (row + 1) as f64)
    }

    /// Writes the names; `mark` draws the symbol of name `i`, centered on the given point.
    pub fn draw(
        &self,
        area: &Area<'_>,
        top: f64,
        mark: impl Fn(usize, [f64; 2]) -> Result<()>,
    ) -> Result<()> {
        for (i, &(row, x, name)) in self.entries.iter().enumerate() {
            let y = top + LEGEND_LINE * (row as f64 + 0.5);
            mark(i, [x + 0.4 * LEGEND_MARK, y])?;
            write(area, name, [x + LEGEND_MARK, y], HPos::Left, &text(INK))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legend_takes_as_many_rows_as_its_names_need() {
        assert_eq!(Legend::new([].into_iter()).height(), 0.0);
        assert_eq!(Legend::new(["dense", "peripheral", "stripe"].into_iter()).height(), LEGEND_LINE);
        let long = "a kernel of considerable size and name";
        let legend = Legend::new([long, long, "short"].into_iter());
        assert_eq!(legend.height(), 2.0 * LEGEND_LINE);
        assert!(legend.entries.iter().all(|(_, x, name)| x + width(name) < WIDTH));
    }
}
