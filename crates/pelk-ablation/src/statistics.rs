//! Means, deviations, and whether two arms differ by more than the noise.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Coverage of the confidence intervals.
const CONFIDENCE: f64 = 0.95;

/// Mean and deviation of repeated measurements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (divisor n - 1); `None` for a single value.
    pub deviation: Option<f64>,
    /// Their number.
    pub n: usize,
}

impl Summary {
    /// The summary of these values; `None` if there are none.
    pub fn of(values: &[f64]) -> Option<Summary> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Summary { mean, deviation: (n > 1).then(|| (squares / (n - 1) as f64).sqrt()), n })
    }

    /// Half the width of the mean's confidence interval, by Student's t with n - 1 degrees of freedom.
    fn half_width(&self) -> Option<f64> {
        let t = StudentsT::new(0.0, 1.0, (self.n - 1) as f64).ok()?.inverse_cdf(0.5 + CONFIDENCE / 2.0);
        Some(t * self.deviation? / (self.n as f64).sqrt())
    }
}

/// The conclusion from the differences of two arms over common seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The first is higher by more than the noise.
    Higher,
    /// The first is lower by more than the noise.
    Lower,
    /// The interval of the difference includes 0.
    NotApart,
    /// There is only one seed, so the noise is unknown.
    Unknown,
}

/// The paired difference of two arms: first minus second, seed by seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Mean, deviation and number of the differences.
    pub summary: Summary,
    /// The confidence interval of their mean; `None` for a single difference.
    pub interval: Option<[f64; 2]>,
}

impl Difference {
    /// The difference over the common seeds; `None` if there are none. Values come with their seeds.
    pub fn between(first: &[(u64, f64)], second: &[(u64, f64)]) -> Option<Difference> {
        let partner = |seed: u64| second.iter().find(|(other, _)| *other == seed);
        let pairs = first.iter().filter_map(|(seed, value)| Some(value - partner(*seed)?.1));
        let summary = Summary::of(&pairs.collect::<Vec<_>>())?;
        let interval = summary.half_width().map(|half| [summary.mean - half, summary.mean + half]);
        Some(Difference { summary, interval })
    }

    /// Whether the difference exceeds the noise.
    pub fn verdict(&self) -> Verdict {
        match self.interval {
            None => Verdict::Unknown,
            Some([low, _]) if low > 0.0 => Verdict::Higher,
            Some([_, high]) if high < 0.0 => Verdict::Lower,
            Some(_) => Verdict::NotApart,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_deviations() {
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(Summary::of(&[2.0]), Some(Summary { mean: 2.0, deviation: None, n: 1 }));
        let summary = Summary::of(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((summary.mean, summary.deviation, summary.n), (2.0, Some(1.0), 3));
    }

    #[test]
    fn intervals_follow_student_s_table() {
        // t(0.975) with 2 degrees of freedom is 4.3027, with 1 12.706 and with 9 2.2622.
        for (values, t) in [(vec![1.0, 2.0, 3.0], 4.3027), (vec![0.0, 2.0], 12.706)] {
            let summary = Summary::of(&values).unwrap();
            let expected = t * summary.deviation.unwrap() / (summary.n as f64).sqrt();
            assert!((summary.half_width().unwrap() / expected - 1.0).abs() < 1e-4);
        }
        let ten: Vec<f64> = (0..10).map(f64::from).collect();
        let summary = Summary::of(&ten).unwrap();
        let t = summary.half_width().unwrap() / summary.deviation.unwrap() * 10.0_f64.sqrt();
        assert!((t - 2.2622).abs() < 1e-4);
    }

    #[test]
    fn differences_are_paired_by_seed() {
        let first = [(0, 0.90), (1, 0.70), (2, 0.80), (3, 0.5)];
        let second = [(2, 0.70), (0, 0.81), (1, 0.59)];
        let difference = Difference::between(&first, &second).unwrap();
        assert_eq!(difference.summary.n, 3);
        assert!((difference.summary.mean - 0.1).abs() < 1e-12);
        // The arms vary by a tenth, their differences by a hundredth: only pairing tells them apart.
        assert_eq!(difference.verdict(), Verdict::Higher);
        assert_eq!(Difference::between(&second, &first).unwrap().verdict(), Verdict::Lower);
    }

    #[test]
    fn noise_and_single_seeds_are_no_difference() {
        let noisy = Difference::between(&[(0, 0.9), (1, 0.6)], &[(0, 0.7), (1, 0.7)]).unwrap();
        assert_eq!(noisy.verdict(), Verdict::NotApart);
        let single = Difference::between(&[(0, 0.9)], &[(0, 0.7)]).unwrap();
        assert_eq!((single.verdict(), single.interval), (Verdict::Unknown, None));
        assert_eq!(Difference::between(&[(0, 0.9)], &[(1, 0.7)]), None);
    }
}
