//! A color for each class.

use image::Rgb;

/// Colors that color-blind readers can tell apart: those of Okabe and Ito, then three of different lightness.
const FIRST: [(&str, [u8; 3]); 11] = [
    ("gray", [190, 190, 190]),
    ("orange", [230, 159, 0]),
    ("sky blue", [86, 180, 233]),
    ("green", [0, 158, 115]),
    ("purple", [204, 121, 167]),
    ("blue", [0, 114, 178]),
    ("vermilion", [213, 94, 0]),
    ("yellow", [240, 228, 66]),
    ("brown", [121, 68, 36]),
    ("navy", [45, 45, 130]),
    ("mint", [150, 255, 180]),
];

/// Step around the color wheel from one class to the next: the golden ratio, so that no two hues are close.
const TURN: f64 = 0.618_033_988_75;

/// The color of a class: the named ones first, then hues computed from the class number.
pub fn class_color(class: usize) -> Rgb<u8> {
    if let Some((_, color)) = FIRST.get(class) {
        return Rgb(*color);
    }
    let hue = (class as f64 * TURN).fract();
    // Similar hues get different lightness.
    let lightness = [0.4, 0.6, 0.75][class % 3];
    let channel = |offset: f64| {
        let place = 6.0 * (hue + offset).fract();
        let share = (2.0 - (place - 3.0).abs()).clamp(0.0, 1.0);
        let chroma = 0.7 * (1.0 - (2.0 * lightness - 1.0_f64).abs());
        (255.0 * (lightness + chroma * (share - 0.5))).round() as u8
    };
    Rgb([channel(0.5), channel(0.5 + 2.0 / 3.0), channel(0.5 + 1.0 / 3.0)])
}

/// The name of a class's color, if it has one.
pub fn class_color_name(class: usize) -> Option<&'static str> {
    FIRST.get(class).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_classes_look_alike() {
        let colors: Vec<Rgb<u8>> = (0..150).map(class_color).collect();
        for (i, a) in colors.iter().enumerate() {
            for (j, b) in colors.iter().enumerate().skip(i + 1) {
                let far = a.0.iter().zip(b.0).map(|(a, b)| u32::from(a.abs_diff(b))).sum::<u32>();
                // Orange and vermilion of Okabe and Ito's palette are 82 apart.
                let least = if j < FIRST.len() { 80 } else { 4 };
                assert!(far >= least, "classes {i} and {j} have the colors {a:?} and {b:?}");
            }
        }
    }
}
