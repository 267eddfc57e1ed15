//! The drawing for a page: regions as colored rectangles, with rulers and a legend.

use std::collections::BTreeMap;
use std::fmt;

use super::caption::{headline, subtitle};
use super::ramp::{HIGHLIGHT, color, most_taps};
use crate::SharingGrid;

/// Side of the square of taps, in pixels.
const SIDE: f64 = 560.0;
/// Left edge of the square of taps.
const LEFT: f64 = 64.0;
/// Upper edge of the square of taps.
const TOP: f64 = 116.0;
/// Left edge of the legend.
const LEGEND: f64 = 664.0;
/// Width of the card.
const WIDTH: f64 = 880.0;
/// Height of the card.
const HEIGHT: f64 = 712.0;
/// The largest number of lines of the legend; grids with more sizes of regions list some of them.
const LEGEND_LINES: usize = 16;
/// Single taps are drawn if they are at least this wide, in pixels.
const VISIBLE_TAP: f64 = 4.0;
/// Width of a digit of the rulers, with space around it, in pixels.
const DIGIT: f64 = 7.5;

const INK: &str = "#1f2430";
const FAINT_INK: &str = "#646b7a";

pub(super) struct Picture<'a>(pub &'a SharingGrid);

impl fmt::Display for Picture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grid = self.0;
        let (headline, subtitle) = (headline(grid), subtitle(grid));
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             font-family=\"system-ui, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif\" \
             fill=\"{INK}\">\n\
             <title>{headline}</title>\n\
             <rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"12\" fill=\"#ffffff\" \
             stroke=\"#d5d9e0\"/>\n\
             <text x=\"{LEFT}\" y=\"44\" font-size=\"18\" font-weight=\"600\">{headline}</text>\n\
             <text x=\"{LEFT}\" y=\"68\" font-size=\"13\" fill=\"{FAINT_INK}\">{subtitle}</text>",
            WIDTH - 1.0,
            HEIGHT - 1.0,
        )?;
        write_taps(f, grid)?;
        write_rulers(f, grid)?;
        write_legend(f, grid)?;
        writeln!(f, "</svg>")
    }
}

/// The regions, one `rect` each in units of taps, and the frame around the fine center.
fn write_taps(f: &mut fmt::Formatter<'_>, grid: &SharingGrid) -> fmt::Result {
    let tap = SIDE / grid.kernel() as f64;
    let border = (0.2 * tap).min(1.5) / tap;
    writeln!(
        f,
        "<g id=\"regions\" transform=\"translate({LEFT} {TOP}) scale({tap:.5})\" stroke=\"#ffffff\" \
         stroke-width=\"{border:.4}\">"
    )?;
    let most = most_taps(grid);
    for region in grid.regions() {
        writeln!(
            f,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>",
            region.x,
            region.y,
            region.width,
            region.height,
            color(region.taps(), most)
        )?;
    }
    writeln!(f, "</g>")?;
    if tap >= VISIBLE_TAP {
        write!(f, "<path fill=\"none\" stroke=\"{INK}\" stroke-opacity=\"0.09\" stroke-width=\"0.7\" d=\"")?;
        for line in 1..grid.kernel() {
            let along = line as f64 * tap;
            write!(f, "M{:.2} {TOP}v{SIDE}M{LEFT} {:.2}h{SIDE}", LEFT + along, TOP + along)?;
        }
        writeln!(f, "\"/>")?;
    }
    if grid.center() == 0 {
        return Ok(());
    }
    let side = grid.center() as f64 * tap;
    let inset = (SIDE - side) / 2.0;
    writeln!(
        f,
        "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{side:.2}\" height=\"{side:.2}\" rx=\"2\" fill=\"none\" \
         stroke=\"{HIGHLIGHT}\" stroke-width=\"2.5\"/>",
        LEFT + inset,
        TOP + inset,
    )
}

/// The lengths of the intervals along the upper and the left edge, each over a line as long as the interval.
fn write_rulers(f: &mut fmt::Formatter<'_>, grid: &SharingGrid) -> fmt::Result {
    let tap = SIDE / grid.kernel() as f64;
    let gap = (0.1 * tap).min(1.0);
    let spans = || {
        let starts = grid.offsets().iter().map(|&first| first as f64 * tap);
        starts.zip(grid.intervals()).map(|(start, &taps)| (start, taps as f64 * tap, taps))
    };

    write!(f, "<path fill=\"none\" stroke=\"#9aa1ae\" stroke-width=\"1.5\" d=\"")?;
    for (start, length, _) in spans() {
        let (along, drawn) = (start + gap, length - 2.0 * gap);
        write!(f, "M{:.2} {:.2}h{drawn:.2}", LEFT + along, TOP - 7.0)?;
        write!(f, "M{:.2} {:.2}v{drawn:.2}", LEFT - 7.0, TOP + along)?;
    }
    writeln!(f, "\"/>\n<g font-size=\"12\" fill=\"{FAINT_INK}\">")?;
    for (start, length, taps) in spans() {
        let middle = start + length / 2.0;
        let room = length / DIGIT;
        if room >= taps.to_string().len() as f64 {
            let (x, y) = (LEFT + middle, TOP - 13.0);
            writeln!(f, "<text x=\"{x:.2}\" y=\"{y}\" text-anchor=\"middle\">{taps}</text>")?;
        }
        if room >= 1.25 {
            let (x, y) = (LEFT - 13.0, TOP + middle + 4.3);
            writeln!(f, "<text x=\"{x}\" y=\"{y:.2}\" text-anchor=\"end\">{taps}</text>")?;
        }
    }
    writeln!(f, "</g>")
}

/// How many parameters cover 1, 2, ... taps, with the color of each.
fn write_legend(f: &mut fmt::Formatter<'_>, grid: &SharingGrid) -> fmt::Result {
    let (shared_by, parameters) = (LEGEND + 84.0, LEGEND + 176.0);
    let most = most_taps(grid);
    let mut counts = BTreeMap::new();
    for region in grid.regions() {
        *counts.entry(region.taps()).or_insert(0_usize) += 1;
    }

    writeln!(f, "<g font-size=\"13\" text-anchor=\"end\">")?;
    let mut y = TOP + 10.0;
    writeln!(
        f,
        "<text x=\"{shared_by}\" y=\"{y}\" fill=\"{FAINT_INK}\">taps each</text>\
         <text x=\"{parameters}\" y=\"{y}\" fill=\"{FAINT_INK}\">parameters</text>"
    )?;
    let counts: Vec<(usize, usize)> = counts.into_iter().collect();
    let lines = counts.len().min(LEGEND_LINES);
    for line in 0..lines {
        let (taps, count) = counts[line * (counts.len() - 1) / (lines - 1).max(1)];
        y += 24.0;
        writeln!(
            f,
            "<rect x=\"{LEGEND}\" y=\"{}\" width=\"18\" height=\"18\" rx=\"3\" fill=\"{}\" \
             stroke=\"#00000026\"/>\
             <text x=\"{shared_by}\" y=\"{y}\">{taps}</text>\
             <text x=\"{parameters}\" y=\"{y}\">{count}</text>",
            y - 14.0,
            color(taps, most),
        )?;
    }
    if lines < counts.len() {
        y += 24.0;
        let sizes = counts.len();
        writeln!(
            f,
            "<text x=\"{parameters}\" y=\"{y}\" fill=\"{FAINT_INK}\">{lines} of {sizes} sizes shown</text>"
        )?;
    }
    writeln!(f, "</g>")?;
    let side = grid.center();
    if side > 0 {
        y += 34.0;
        writeln!(
            f,
            "<rect x=\"{}\" y=\"{}\" width=\"16\" height=\"16\" rx=\"2\" fill=\"none\" \
             stroke=\"{HIGHLIGHT}\" stroke-width=\"2.5\"/>\
             <text x=\"{}\" y=\"{y}\" font-size=\"13\">fine center, {side} x {side}</text>",
            LEGEND + 1.0,
            y - 13.0,
            LEGEND + 30.0,
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::svg;
    use super::*;
    use crate::grid::any_grid;
    use proptest::prelude::*;

    /// The names of the elements in the order in which they close; panics where tags do not nest.
    fn elements(svg: &str) -> Vec<&str> {
        let (mut open, mut closed) = (vec![], vec![]);
        for tag in svg.split('<').skip(1) {
            let (tag, text) = tag.split_once('>').expect("a tag ends");
            assert!(!text.contains(['>', '&']), "{text}");
            assert!(tag.matches('"').count().is_multiple_of(2), "{tag}");
            let name = tag.split([' ', '/']).find(|part| !part.is_empty()).expect("a tag has a name");
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') {
                open.push(name);
                continue;
            }
            closed.push(name);
        }
        assert!(open.is_empty(), "{open:?}");
        closed
    }

    #[test]
    fn the_readme_shows_what_is_drawn_today() {
        let grid = SharingGrid::exponential(51, 5, 2).unwrap();
        let shown = include_str!("../../../../docs/grid-51.svg");
        assert_eq!(svg(&grid), shown, "run: cargo xtask grid --kernel 51 --center 5 --svg docs/grid-51.svg");
    }

    #[test]
    fn the_legend_counts_all_parameters() {
        let picture = svg(&SharingGrid::exponential(51, 5, 2).unwrap());
        for line in [">1</text>", ">25</text>", ">81</text>"] {
            assert!(picture.contains(line), "{line}");
        }
        assert!(!picture.contains("sizes shown"));
        let picture = svg(&SharingGrid::from_half(&[31, 29, 23, 19, 17, 13, 11, 7, 5, 3]).unwrap());
        assert!(picture.contains(">16 of 55 sizes shown<"));
        assert!(picture.contains(">9</text>") && picture.contains(">961</text>"), "both ends are listed");
    }

    proptest! {
        #[test]
        fn one_rect_a_region_and_tags_that_nest(grid in any_grid()) {
            let picture = svg(&grid);
            prop_assert!(elements(&picture).ends_with(&["svg"]));
            let (_, rest) = picture.split_once("<g id=\"regions\"").unwrap();
            let (regions, _) = rest.split_once("</g>").unwrap();
            prop_assert_eq!(regions.matches("<rect").count(), grid.params_per_channel());
        }
    }
}
