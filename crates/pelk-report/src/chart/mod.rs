//! SVG charts for light and dark themes and any width: lines or points with error bars, stacked bars, and
//! heat maps of shares.
//!
//! plotters draws in the colors of the light theme; [`theme`] adds the CSS variable of each color, which the
//! dark theme changes. Viewers without CSS variables show the light theme.

mod axis;
mod bars;
mod canvas;
mod matrix;
mod plot;
mod series;
mod theme;

pub use bars::{Bars, Row};
pub use matrix::Matrix;
pub use plot::side_by_side;
pub use series::{Axis, Chart, MOST_SERIES, Point, Scale, Series, Style};
pub use theme::STYLE;

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
            style: Style::Both,
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
    fn charts_stand_beside_each_other_in_one_file() {
        let mut charts = [chart(2, Scale::Linear), chart(1, Scale::Linear)];
        charts[1].series[0].style = Style::Line;
        let svg = side_by_side("a run", &charts).unwrap();
        assert_eq!((svg.matches("<svg").count(), svg.matches("prefers-color-scheme").count()), (1, 1));
        assert!(svg.contains("viewBox=\"0 0 3840 ") && svg.contains("translate(1920 0)"), "{svg}");
        let markers = |svg: &str| svg.lines().filter(|line| line.starts_with("<circle")).count();
        assert_eq!(markers(&svg), markers(&charts[0].inline().unwrap()), "a line alone has no markers");
    }

    #[test]
    fn an_axis_with_a_range_needs_no_points() {
        let mut empty = chart(1, Scale::Linear);
        empty.series[0].points.clear();
        assert!(empty.svg().is_err());
        (empty.x.range, empty.y.range) = (Some((0.0, 1.0)), Some((0.0, 1.0)));
        assert!(!empty.svg().unwrap().contains("NaN"));
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
