//! The colors of the light theme, and the CSS that adds the dark one.

use plotters::style::RGBColor;

/// Number of colors for series.
pub(super) const COLORS: usize = 8;

/// A color in the light theme, and the CSS variable that holds it in both themes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Color {
    light: [u8; 3],
    variable: &'static str,
}

impl Color {
    const fn new(light: [u8; 3], variable: &'static str) -> Color {
        Color { light, variable }
    }

    /// For plotters.
    pub fn rgb(self) -> RGBColor {
        let [red, green, blue] = self.light;
        RGBColor(red, green, blue)
    }

    /// As written by plotters.
    fn hex(self) -> String {
        let [red, green, blue] = self.light;
        format!("#{red:02X}{green:02X}{blue:02X}")
    }
}

/// Text, axes, error bars.
pub(super) const INK: Color = Color::new([0x1f, 0x24, 0x30], "--chart-ink");
/// Grid lines.
pub(super) const GRID: Color = Color::new([0xd9, 0xdc, 0xe2], "--chart-grid");
/// The background.
pub(super) const GROUND: Color = Color::new([0xff, 0xff, 0xff], "--chart-ground");

/// Series colors. Found by a search starting from Okabe and Ito's palette that maximized the smallest
/// distance in Oklab, for normal, protanopic and deuteranopic vision, among colors with a contrast of 3 to
/// the background.
pub(super) const SERIES: [Color; COLORS] = [
    Color::new([0x2f, 0x6b, 0xd1], "--chart-1"),
    Color::new([0xc7, 0x6d, 0x15], "--chart-2"),
    Color::new([0x00, 0x6c, 0x62], "--chart-3"),
    Color::new([0xd1, 0x11, 0x94], "--chart-4"),
    Color::new([0x83, 0x4c, 0x00], "--chart-5"),
    Color::new([0x2a, 0x96, 0xe3], "--chart-6"),
    Color::new([0x2c, 0x3a, 0x60], "--chart-7"),
    Color::new([0x71, 0x00, 0x1c], "--chart-8"),
];

/// The CSS variables of all charts, for a page's style sheet.
pub const STYLE: &str = "\
:root { --chart-ground: #ffffff; --chart-ink: #1f2430; --chart-grid: #d9dce2; --chart-1: #2f6bd1; \
--chart-2: #c76d15;
  --chart-3: #006c62; --chart-4: #d11194; --chart-5: #834c00; --chart-6: #2a96e3; --chart-7: #2c3a60; \
--chart-8: #71001c }
@media (prefers-color-scheme: dark) {
  :root { --chart-ground: #14161a; --chart-ink: #e4e7ec; --chart-grid: #363b44; --chart-1: #3890ff; \
--chart-2: #ff8300;
    --chart-3: #31c291; --chart-4: #bf60b0; --chart-5: #ffde4c; --chart-6: #b5eae9; --chart-7: #a9b9f6; \
--chart-8: #ce474a }
}
";

/// Adds a style to every theme color of a drawing. The color remains as an attribute for viewers without CSS
/// variables.
pub(super) fn themed(drawing: &str) -> String {
    let mut themed = drawing.to_owned();
    for color in SERIES.iter().chain([&INK, &GRID, &GROUND]) {
        for property in ["fill", "stroke"] {
            let attribute = format!("{property}=\"{}\"", color.hex());
            let styled = format!("{attribute} style=\"{property}:var({})\"", color.variable);
            themed = themed.replace(&attribute, &styled);
        }
    }
    themed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of a variable in the light and dark themes.
    fn themes(variable: &str) -> [[f64; 3]; 2] {
        let definition = format!("{variable}: #");
        let values = STYLE.match_indices(&definition).map(|(at, found)| {
            let hex = &STYLE[at + found.len()..][..6];
            [0, 2, 4].map(|i| linear(u8::from_str_radix(&hex[i..i + 2], 16).unwrap()))
        });
        values.collect::<Vec<_>>().try_into().unwrap()
    }

    /// A channel of sRGB as linear light.
    fn linear(byte: u8) -> f64 {
        let value = f64::from(byte) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    }

    fn product(matrix: [[f64; 3]; 3], vector: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
    }

    /// WCAG 2 contrast ratio.
    fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
        let luminance = |color| product([[0.2126, 0.7152, 0.0722]; 3], color)[0] + 0.05;
        let (a, b) = (luminance(a), luminance(b));
        a.max(b) / a.min(b)
    }

    /// Position in Oklab, where distances match perceived differences.
    fn oklab(color: [f64; 3]) -> [f64; 3] {
        let cones = [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ];
        let lab = [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ];
        product(lab, product(cones, color.map(|value| value.max(0.0))).map(f64::cbrt))
    }

    /// Normal vision and the two common kinds of color blindness, from Machado, Oliveira and Fernandes
    /// (2009).
    const SIGHT: [[[f64; 3]; 3]; 3] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    ];

    #[test]
    fn colors_stand_out_from_the_ground_and_from_each_other_in_both_themes() {
        for theme in [0, 1] {
            let ground = themes("--chart-ground")[theme];
            assert!(contrast(themes("--chart-ink")[theme], ground) > 7.0);
            for (i, a) in SERIES.iter().enumerate() {
                let color = themes(a.variable)[theme];
                assert!(contrast(color, ground) >= 3.0, "{} in theme {theme}", a.variable);
                for b in &SERIES[..i] {
                    for sight in SIGHT {
                        let [here, there] =
                            [color, themes(b.variable)[theme]].map(|color| oklab(product(sight, color)));
                        let distance =
                            here.iter().zip(there).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                        assert!(distance > 0.1, "{} and {}: {distance}", a.variable, b.variable);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_drawn_is_the_light_theme() {
        for color in SERIES.iter().chain([&INK, &GRID, &GROUND]) {
            assert_eq!(color.light.map(linear), themes(color.variable)[0], "{}", color.variable);
        }
    }

    #[test]
    fn colors_become_variables_and_nothing_else_does() {
        let drawing =
            "<line stroke=\"#2F6BD1\"/><circle fill=\"#1F2430\" stroke=\"none\"/><text>#2F6BD1</text>";
        let expected = "<line stroke=\"#2F6BD1\" style=\"stroke:var(--chart-1)\"/>\
            <circle fill=\"#1F2430\" style=\"fill:var(--chart-ink)\" stroke=\"none\"/><text>#2F6BD1</text>";
        assert_eq!(themed(drawing), expected);
    }
}
