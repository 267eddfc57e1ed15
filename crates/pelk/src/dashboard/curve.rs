//! A curve of any number of steps in bounded memory.

/// Most points to keep; a terminal has fewer columns of dots.
const MOST: usize = 1024;

/// Means of a value over equal stretches of steps; the stretches double when there are too many.
#[derive(Debug, Clone)]
pub struct Curve {
    /// Step in the middle of the stretch, mean value.
    points: Vec<(f64, f64)>,
    /// Steps in a stretch.
    stretch: u64,
    /// The unfinished stretch: count, sum of step numbers, sum of values.
    open: (u64, f64, f64),
}

impl Curve {
    /// An empty curve.
    pub fn new() -> Curve {
        Curve { points: Vec::new(), stretch: 1, open: (0, 0.0, 0.0) }
    }

    /// Adds a step's value; values that are not finite are skipped.
    pub fn add(&mut self, step: u64, value: f64) {
        if !value.is_finite() {
            return;
        }
        let (count, steps, values) = self.open;
        self.open = (count + 1, steps + step as f64, values + value);
        if self.open.0 < self.stretch {
            return;
        }
        let (count, steps, values) = std::mem::take(&mut self.open);
        self.points.push((steps / count as f64, values / count as f64));
        if self.points.len() == MOST {
            let mean = |pair: &[(f64, f64)]| (0.5 * (pair[0].0 + pair[1].0), 0.5 * (pair[0].1 + pair[1].1));
            self.points = self.points.chunks_exact(2).map(mean).collect();
            self.stretch *= 2;
        }
    }

    /// The points, by step.
    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_keeps_its_shape_and_its_place_in_few_points() {
        let mut curve = Curve::new();
        (1..=1_000_000)
            .for_each(|step| curve.add(step, 3.0 * step as f64 + if step % 2 == 0 { 1.0 } else { -1.0 }));
        let points = curve.points();
        assert!((MOST / 2 - 1..MOST).contains(&points.len()), "{}", points.len());
        assert!(points.iter().all(|(step, value)| (value - 3.0 * step).abs() < 1e-6));
        assert!(points.is_sorted_by(|a, b| a.0 < b.0));
        assert!(points[0].0 < 2000.0 && points[points.len() - 1].0 > 998_000.0);
    }

    #[test]
    fn a_short_curve_has_every_step_that_is_a_number() {
        let mut curve = Curve::new();
        for (step, value) in [(1, 2.0), (2, f64::NAN), (3, f64::INFINITY), (4, 1.0)] {
            curve.add(step, value);
        }
        assert_eq!(curve.points(), [(1.0, 2.0), (4.0, 1.0)]);
    }
}
