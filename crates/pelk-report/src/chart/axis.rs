//! Axis ranges, and the positions of values and ticks.

use super::series::{Axis, Scale};

/// Approximate number of ticks on an axis.
const TICKS: f64 = 6.0;
/// Padding beyond the outermost points, as a share of the axis.
const AIR: f64 = 0.05;

/// An axis ready to draw; all positions are on its scale: the value itself or its logarithm.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Extent {
    pub low: f64,
    pub high: f64,
    /// Positions within the extent, and their labels.
    pub ticks: Vec<(f64, String)>,
}

impl Scale {
    /// The position of a value; not finite if it has none.
    pub(super) fn place(self, value: f64) -> f64 {
        match self {
            Scale::Linear => value,
            Scale::Log if value > 0.0 => value.log10(),
            Scale::Log => f64::NAN,
        }
    }
}

impl Axis {
    /// The extent that covers these positions and the axis range; `None` if there are neither.
    pub(super) fn extent(&self, places: impl Iterator<Item = f64>) -> Option<Extent> {
        let bounds = |places: &mut dyn Iterator<Item = f64>| {
            places
                .filter(|place| place.is_finite())
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), place| {
                    (low.min(place), high.max(place))
                })
        };
        let range = || self.range.map(|(from, to)| [from, to].map(|value| self.scale.place(value)));
        let (mut low, mut high) = bounds(&mut { places });
        if low > high {
            (low, high) = bounds(&mut range()?.into_iter());
        }
        // Leave room around a single value.
        let air = if high > low { AIR * (high - low) } else { (AIR * high.abs()).max(AIR) };
        (low, high) = (low - air, high + air);
        if let Some(ends) = range() {
            // No padding next to an explicit range: it says where the axis ends.
            let (from, to) = bounds(&mut ends.into_iter());
            low = if from <= low + air { from } else { low };
            high = if to >= high - air { to } else { high };
        }
        let ticks = if self.ticks.is_empty() {
            match self.scale {
                Scale::Linear => linear_ticks(low, high),
                Scale::Log => log_ticks(low, high),
            }
        } else {
            self.ticks.iter().map(|(value, text)| (self.scale.place(*value), text.clone())).collect()
        };
        let within = |place: f64| place >= low - 1e-9 * (high - low) && place <= high + 1e-9 * (high - low);
        let ticks = ticks.into_iter().filter(|&(place, _)| within(place)).collect();
        Some(Extent { low, high, ticks })
    }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn linear_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let rough = (high - low) / TICKS;
    let power = 10_f64.powf(rough.log10().floor());
    let step = power * [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough).unwrap_or(10.0);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let first = (low / step).ceil();
    // Adding zero turns -0.0 into 0.0.
    let values = (0..=2 * TICKS as usize + 2).map(|i| (first + i as f64) * step + 0.0);
    values
        .take_while(|&value| value <= high + 1e-9 * (high - low))
        .map(|value| (value, format!("{value:.decimals$}")))
        .collect()
}

/// Powers of ten, also 2 and 5 times these, or linear ticks if there are too few.
fn log_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let ticks = |factors: &[f64]| -> Vec<(f64, String)> {
        let powers = low.floor() as i32..=high.ceil() as i32;
        let values = powers.flat_map(|power| factors.iter().map(move |factor| factor * 10_f64.powi(power)));
        values
            .map(|value| (value.log10(), number(value)))
            .filter(|&(place, _)| place >= low && place <= high)
            .collect()
    };
    let decades = ticks(&[1.0]);
    if decades.len() as f64 >= TICKS - 1.0 {
        let every = decades.len().div_ceil(TICKS as usize);
        return decades.into_iter().step_by(every).collect();
    }
    let fine = ticks(&[1.0, 2.0, 5.0]);
    if fine.len() >= 3 {
        return fine;
    }
    let values = linear_ticks(10_f64.powf(low), 10_f64.powf(high));
    values.into_iter().map(|(value, text)| (value.log10(), text)).collect()
}

/// A number as short as possible.
fn number(value: f64) -> String {
    if (1e-3..1e6).contains(&value) {
        // Powers of ten are not exact below 1; a tick never needs more than nine digits.
        format!("{}", (value * 1e9).round() / 1e9)
    } else {
        format!("{value:e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(axis: &Axis, values: &[f64]) -> Extent {
        axis.extent(values.iter().map(|&value| axis.scale.place(value))).unwrap()
    }

    fn texts(extent: &Extent) -> Vec<&str> {
        extent.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn linear_ticks_are_round_and_within() {
        assert_eq!(texts(&extent(&Axis::default(), &[0.0, 100.0])), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(texts(&extent(&Axis::default(), &[-0.31, 0.29])), ["-0.2", "0.0", "0.2"]);
        assert_eq!(
            texts(&extent(&Axis::default(), &[93.0, 94.0])),
            ["93.0", "93.2", "93.4", "93.6", "93.8", "94.0"]
        );
    }

    #[test]
    fn log_ticks_are_few_over_many_decades_and_fine_over_one() {
        let log = Axis { scale: Scale::Log, ..Axis::default() };
        assert_eq!(texts(&extent(&log, &[7.0, 151.0])), ["10", "20", "50", "100"]);
        assert_eq!(texts(&extent(&log, &[0.001, 1000.0])).len(), 4);
        assert!(texts(&extent(&log, &[3.1, 3.9])).len() >= 3);
        assert!(extent(&log, &[0.05, 0.3]).ticks.iter().any(|(place, text)| *place == -1.0 && text == "0.1"));
    }

    #[test]
    fn a_range_ends_the_axis_but_points_beyond_it_widen_it() {
        let ranged = |range| Axis { range: Some(range), ..Axis::default() };
        let exact = extent(&ranged((0.0, 10.0)), &[0.0, 10.0]);
        assert_eq!((exact.low, exact.high), (0.0, 10.0));
        let wide = extent(&ranged((0.0, 10.0)), &[2.0, 30.0]);
        assert!(wide.low == 0.0 && wide.high > 30.0, "{wide:?}");
    }

    #[test]
    fn given_ticks_are_placed_and_those_outside_are_left_out() {
        let ticks = [7.0, 31.0, 500.0].map(|value: f64| (value, format!("K {value}"))).to_vec();
        let axis = Axis { scale: Scale::Log, ticks, ..Axis::default() };
        let extent = extent(&axis, &[7.0, 151.0]);
        assert_eq!(texts(&extent), ["K 7", "K 31"]);
        assert_eq!(extent.ticks[0].0, 7_f64.log10());
    }

    #[test]
    fn nothing_finite_is_no_extent() {
        assert_eq!(Axis::default().extent([f64::NAN].into_iter()), None);
    }
}
