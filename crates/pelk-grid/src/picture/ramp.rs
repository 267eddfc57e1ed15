//! The colors of regions: a perceptually uniform ramp.

use crate::SharingGrid;

/// The frame around the fine center.
pub(super) const HIGHLIGHT: &str = "#f2541b";

/// Taps in the largest region: the light end of the ramp.
pub(super) fn most_taps(grid: &SharingGrid) -> usize {
    let longest = grid.intervals().iter().max().copied().unwrap_or(1);
    longest * longest
}

/// Dark for a parameter of one tap, light for one of `most` taps, evenly spaced in the logarithm.
///
/// The ramp is piecewise linear in Oklab (Björn Ottosson, "A perceptual color space for image processing",
/// 2020), with lightness linear throughout, so equal ratios of taps look equally far apart.
pub(super) fn color(taps: usize, most: usize) -> String {
    // Lightness, green to red, blue to yellow.
    const DARK: [f64; 3] = [0.36, 0.02, -0.15];
    const MIDDLE: [f64; 3] = [0.65, -0.10, -0.03];
    const LIGHT: [f64; 3] = [0.91, -0.04, 0.10];
    let share = if most > 1 { (taps as f64).ln() / (most as f64).ln() } else { 0.0 };
    let (from, to, along) =
        if share < 0.5 { (DARK, MIDDLE, 2.0 * share) } else { (MIDDLE, LIGHT, 2.0 * share - 1.0) };
    let lab: [f64; 3] = std::array::from_fn(|i| from[i] + along * (to[i] - from[i]));
    let [red, green, blue] = oklab_to_srgb(lab);
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn oklab_to_srgb([lightness, a, b]: [f64; 3]) -> [u8; 3] {
    let long = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let medium = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let short = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    [
        4.076_741_662_1 * long - 3.307_711_591_3 * medium + 0.230_969_929_2 * short,
        -1.268_438_004_6 * long + 2.609_757_401_1 * medium - 0.341_319_396_5 * short,
        -0.004_196_086_3 * long - 0.703_418_614_7 * medium + 1.707_614_701_0 * short,
    ]
    .map(|linear| {
        let linear = linear.clamp(0.0, 1.0);
        let encoded =
            if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
        (255.0 * encoded).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oklab_at_known_points() {
        assert_eq!(oklab_to_srgb([0.0, 0.0, 0.0]), [0, 0, 0]);
        assert_eq!(oklab_to_srgb([1.0, 0.0, 0.0]), [255, 255, 255]);
        assert_eq!(oklab_to_srgb([0.627_955, 0.224_863, 0.125_846]), [255, 0, 0]);
        assert_eq!(oklab_to_srgb([0.452_014, -0.032_457, -0.311_528]), [0, 0, 255]);
    }

    #[test]
    fn more_sharing_is_lighter() {
        let brightness = |taps| {
            let color = u32::from_str_radix(&color(taps, 81)[1..], 16).unwrap();
            (color >> 16) * 299 + (color >> 8 & 0xff) * 587 + (color & 0xff) * 114
        };
        assert!([1, 2, 4, 8, 9, 18, 36, 81].map(brightness).is_sorted());
        assert_eq!(color(1, 1), color(1, 81));
    }
}
