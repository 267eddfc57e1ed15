//! The small drawing: regions without rulers and legend, for tables and lists.

use std::fmt;

use super::ramp::{HIGHLIGHT, color, most_taps};
use crate::SharingGrid;

const LINES: &str = "#ffffff";

pub(super) struct Picture<'a>(pub &'a SharingGrid);

impl fmt::Display for Picture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grid = self.0;
        let side = grid.kernel();
        let most = most_taps(grid);
        let parameters = grid.params_per_channel();
        write!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" role=\"img\">\
             <title>{side} x {side} taps, {parameters} parameters</title>\
             <rect width=\"{side}\" height=\"{side}\" fill=\"{}\"/>",
            color(1, most)
        )?;
        // Regions of one tap are the background, so that a dense kernel does not take thousands of elements.
        for region in grid.regions().filter(|region| region.taps() > 1) {
            let color = color(region.taps(), most);
            let [x, y, width, height] = [region.x, region.y, region.width, region.height];
            write!(f, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{color}\"/>")?;
        }
        let line = side as f64 / 200.0;
        write!(f, "<path fill=\"none\" stroke=\"{LINES}\" stroke-width=\"{line:.3}\" d=\"")?;
        for first in grid.offsets().iter().skip(1) {
            write!(f, "M{first} 0v{side}M0 {first}h{side}")?;
        }
        write!(f, "\"/>")?;
        let center = grid.center();
        if center > 0 && center < side {
            let first = (side - center) as f64 / 2.0;
            write!(
                f,
                "<rect x=\"{first}\" y=\"{first}\" width=\"{center}\" height=\"{center}\" fill=\"none\" \
                 stroke=\"{HIGHLIGHT}\" stroke-width=\"{:.2}\"/>",
                side as f64 / 60.0
            )?;
        }
        write!(f, "</svg>")
    }
}

#[cfg(test)]
mod tests {
    use super::super::thumbnail;
    use crate::grid::any_grid;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_area_is_covered_once(grid in any_grid()) {
            let picture = thumbnail(&grid);
            prop_assert!(picture.starts_with("<svg") && picture.ends_with("</svg>"));
            let shared = grid.regions().filter(|region| region.taps() > 1).count();
            let center = usize::from(grid.center() > 0 && grid.center() < grid.kernel());
            prop_assert_eq!(picture.matches("<rect").count(), 1 + shared + center);
        }
    }
}
