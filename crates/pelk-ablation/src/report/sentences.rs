//! Plain sentences about differences, derived from the numbers alone.

use crate::statistics::{Difference, Verdict};

/// Groups whose mean accuracy is less than this far above guessing count as guessed.
pub const AT_CHANCE: f64 = 0.03;

/// A comparison of two arms after one training length; the difference is in shares.
pub fn compared(first: &str, second: &str, steps: u64, difference: &Difference) -> String {
    let mean = points(difference.summary.mean);
    let place = if difference.summary.mean < 0.0 { "below" } else { "above" };
    let size = format!("{:.1} points", mean.abs());
    let n = difference.summary.n;
    let noise = match difference.interval {
        Some([low, high]) => format!("95 % interval {} to {}, {n} seeds", signed(low), signed(high)),
        None => "one seed".to_owned(),
    };
    match difference.verdict() {
        Verdict::Higher | Verdict::Lower => {
            format!("After {steps} steps, {first} is {size} {place} {second}, more than the noise ({noise}).")
        }
        Verdict::NotApart => format!(
            "After {steps} steps, {first} and {second} cannot be told apart: the difference, {size} {place}, \
             is within the noise ({noise})."
        ),
        Verdict::Unknown => format!(
            "After {steps} steps, {first} is {size} {place} {second}; with a single seed, the noise is \
             unknown."
        ),
    }
}

/// How the difference of two arms changes with longer training, if that is informative.
pub fn changed(shorter: (u64, &Difference), longer: (u64, &Difference)) -> Option<String> {
    use Verdict::{Higher, Lower, NotApart};
    let ((few, before), (many, after)) = (shorter, longer);
    match (before.verdict(), after.verdict()) {
        (Higher | Lower, NotApart) => Some(format!(
            "The difference after {few} steps is gone after {many}: it is in how fast they learn, \
             not in what they can learn."
        )),
        (NotApart, Higher | Lower) => {
            Some(format!("It takes {many} steps to tell them apart; {few} are not enough."))
        }
        (Higher, Lower) | (Lower, Higher) => {
            Some(format!("Their order reverses between {few} and {many} steps."))
        }
        (Higher, Higher) | (Lower, Lower) => {
            let (a, b) = (points(before.summary.mean).abs(), points(after.summary.mean).abs());
            (b < a / 2.0).then(|| {
                format!(
                    "From {few} to {many} steps, the gap shrinks from {a:.1} to {b:.1} points: \
                     much of it is in how fast they learn."
                )
            })
        }
        _ => None,
    }
}

/// Which arms are no better than guessing after one training length. Each arm comes with its label groups:
/// names and mean accuracies, as shares. `None` if no arm has groups.
pub fn guessed(steps: u64, arms: &[(String, Vec<(String, f64)>)], chance: f64) -> Option<String> {
    let mut guessing = Vec::new();
    let mut seeing = Vec::new();
    for (arm, groups) in arms {
        let at_chance = groups.iter().filter(|(_, accuracy)| accuracy - chance < AT_CHANCE);
        let at_chance: Vec<&str> = at_chance.map(|(name, _)| name.as_str()).collect();
        let Some((lowest, accuracy)) = groups.iter().min_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
        if at_chance.is_empty() {
            seeing.push(format!("{arm} ({:.1} % at {lowest})", 100.0 * accuracy));
        } else {
            guessing.push(format!("{arm} is guessing at {}", listed(&at_chance)));
        }
    }
    if !seeing.is_empty() {
        guessing.push(format!("better than guessing everywhere (lowest accuracy): {}", listed(&seeing)));
    }
    let (percent, list) = (100.0 * chance, guessing.join("; "));
    (!guessing.is_empty())
        .then(|| format!("After {steps} steps (guessing is right {percent:.0} % of the time): {list}."))
}

/// `a`, `a and b`, `a, b and c`.
fn listed(items: &[impl AsRef<str>]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    match items.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

/// A short comparison of two arms, for an overview.
pub fn briefly(difference: &Difference) -> String {
    let mean = points(difference.summary.mean);
    match difference.verdict() {
        Verdict::Higher => format!("{mean:.1} above"),
        Verdict::Lower => format!("{:.1} below", -mean),
        Verdict::NotApart => "within the noise".to_owned(),
        Verdict::Unknown => format!("{mean:+.1}, one seed"),
    }
}

/// A share in percentage points, rounded to a tenth.
pub fn points(share: f64) -> f64 {
    // Adding zero turns -0.0 into 0.0.
    (1000.0 * share).round() / 10.0 + 0.0
}

/// Signed percentage points: with one decimal, or with as many as needed to show that they are not 0, since
/// an interval is judged by whether it includes 0.
pub fn signed(share: f64) -> String {
    match (100.0 * share).abs() {
        tiny @ 1e-9..0.05 => format!("{:+.*}", -tiny.log10().floor() as usize, 100.0 * share),
        _ => format!("{:+.1}", points(share)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_beside_0_is_not_shown_as_0() {
        let bounds = [0.1234, -0.0126, -0.0006, 0.0005, -0.00024, 0.000_043, 0.0, -0.0];
        let shown = ["+12.3", "-1.3", "-0.1", "+0.1", "-0.02", "+0.004", "+0.0", "+0.0"];
        assert_eq!(bounds.map(signed), shown);
    }

    fn difference(values: &[f64]) -> Difference {
        let seeds =
            |values: &[f64]| values.iter().enumerate().map(|(i, v)| (i as u64, *v)).collect::<Vec<_>>();
        Difference::between(&seeds(values), &seeds(&vec![0.0; values.len()])).unwrap()
    }

    #[test]
    fn sentences_follow_from_the_interval() {
        let clear = compared("1 x 1", "5 x 5", 300, &difference(&[-0.10, -0.11, -0.12]));
        assert_eq!(
            clear,
            "After 300 steps, 1 x 1 is 11.0 points below 5 x 5, more than the noise (95 % interval -13.5 to \
             -8.5, 3 seeds)."
        );
        let noisy = compared("dense", "exponential", 600, &difference(&[0.02, -0.01, 0.01]));
        assert!(noisy.contains("cannot be told apart") && noisy.contains("0.7 points above"), "{noisy}");
        let single = compared("dense", "exponential", 600, &difference(&[0.02]));
        assert!(single.contains("single seed"), "{single}");
    }

    #[test]
    fn changes_are_named_only_where_there_are_any() {
        let [large, small, none, turned] =
            [&[-0.10, -0.11, -0.12][..], &[-0.02, -0.021, -0.022], &[0.01, -0.01, 0.0], &[0.1, 0.11, 0.12]]
                .map(difference);
        let change = |a, b| changed((300, a), (600, b));
        assert!(change(&large, &none).unwrap().contains("how fast they learn"));
        assert!(change(&none, &large).unwrap().contains("300 are not enough"));
        assert!(change(&large, &small).unwrap().contains("from 11.0 to 2.1"));
        assert!(change(&large, &turned).unwrap().contains("reverses"));
        assert_eq!(change(&large, &large), None);
        assert_eq!(change(&none, &none), None);
    }

    #[test]
    fn guessing_is_told_from_seeing() {
        let arm = |name: &str, accuracies: [f64; 3]| {
            let groups = ["d1", "d2", "d3"].map(str::to_owned).into_iter().zip(accuracies);
            (name.to_owned(), groups.collect::<Vec<_>>())
        };
        let arms = [
            arm("kernel 3", [0.25, 0.2, 0.27]),
            arm("kernel 13", [0.9, 0.6, 0.26]),
            arm("kernel 47", [0.9, 0.88, 0.86]),
        ];
        let text = guessed(600, &arms, 0.25).unwrap();
        assert_eq!(
            text,
            "After 600 steps (guessing is right 25 % of the time): kernel 3 is guessing at d1, d2 and d3; \
             kernel 13 is guessing at d3; better than guessing everywhere (lowest accuracy): \
             kernel 47 (86.0 % at d3)."
        );
        assert_eq!(guessed(600, &[("kernel 47".into(), Vec::new())], 0.25), None);
    }

    #[test]
    fn an_overview_says_in_few_words_whether_arms_differ() {
        assert_eq!(briefly(&difference(&[-0.10, -0.11, -0.12])), "11.0 below");
        assert_eq!(briefly(&difference(&[0.02, -0.01, 0.01])), "within the noise");
        assert_eq!(briefly(&difference(&[0.02])), "+2.0, one seed");
    }
}
