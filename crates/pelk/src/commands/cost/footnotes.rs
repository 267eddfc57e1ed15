//! Compares counts with the papers' numbers, and explains the differences that are understood.

use super::counted::Counted;
use super::units::{G, M};

/// Line length of footnotes in characters: the width of the tables.
const LINE: usize = 104;

/// Differences up to this, in percent, need no footnote: most printed numbers have two or three digits.
const TOLERANCE: f64 = 1.5;

/// A quantity that papers print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// In millions.
    Parameters,
    /// In billions; papers call them FLOPs.
    MultiplyAdds,
}

/// A count and the printed number, in the quantity's unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comparison {
    quantity: Quantity,
    counted: f64,
    printed: f64,
}

impl Quantity {
    /// The count and the printed number; `None` if nothing is printed.
    pub(super) fn compare(self, counted: &Counted) -> Option<Comparison> {
        let (printed, total) = (counted.printed?, counted.cost.total());
        let (counted, printed) = match self {
            Quantity::Parameters => (total.params_paper / M, printed.params_m),
            Quantity::MultiplyAdds => (counted.macs_as_printed() / G, printed.macs_g),
        };
        Some(Comparison { quantity: self, counted, printed })
    }

    fn name(self) -> &'static str {
        match self {
            Quantity::Parameters => "parameters",
            Quantity::MultiplyAdds => "multiply-adds",
        }
    }

    /// The likely reason why the count of `model` differs from the printed number.
    fn explanation(self, model: &str) -> &'static str {
        match (self, model) {
            (Quantity::MultiplyAdds, "pelk_t" | "pelk_s") => {
                "The same way of counting matches the paper's other numbers: those of PeLK-B here, and those \
                 of PeLK-T and PeLK-S with UperNet at 2048 x 512. So the network is probably right, and this \
                 number was probably counted in a different way, which the paper does not describe."
            }
            (Quantity::MultiplyAdds, "slak_t") => {
                "The same way of counting matches SLaK-B, and PeLK-T differs in the same way: see its note."
            }
            _ => "The reason is unknown.",
        }
    }
}

impl Comparison {
    /// How far the count is above the printed number, in percent.
    fn difference(self) -> f64 {
        100.0 * (self.counted / self.printed - 1.0)
    }

    fn agrees(self) -> bool {
        self.difference().abs() <= TOLERANCE
    }

    /// The number as printed in the paper: multiply-adds with one decimal, or none from 100 up; parameters
    /// mostly as whole millions.
    pub(super) fn printed_text(self) -> String {
        match self.quantity {
            Quantity::Parameters => self.printed.to_string(),
            Quantity::MultiplyAdds if self.printed >= 100.0 => format!("{:.0}", self.printed),
            Quantity::MultiplyAdds => format!("{:.1}", self.printed),
        }
    }

    /// The difference, with a star if there is a footnote.
    pub(super) fn difference_text(self) -> String {
        let star = if self.agrees() { "" } else { " *" };
        // Adding zero turns -0.0 into 0.0.
        let tenths = (10.0 * self.difference()).round() / 10.0 + 0.0;
        format!("{tenths:+.1} %{star}")
    }
}

/// A paragraph for each printed number that the count does not match; those with the same explanation share
/// one.
pub(super) fn footnotes(counted: &[Counted]) -> Vec<String> {
    let mut notes: Vec<(Quantity, &str, Vec<String>)> = Vec::new();
    for quantity in [Quantity::Parameters, Quantity::MultiplyAdds] {
        for counted in counted {
            let Some(comparison) = quantity.compare(counted).filter(|comparison| !comparison.agrees()) else {
                continue;
            };
            let explanation = quantity.explanation(counted.model);
            let (count, printed) = (comparison.counted, comparison.printed_text());
            let place = format!("{} at {}: {count:.2}, not {printed}", counted.model, counted.size());
            match notes.iter_mut().find(|(q, e, _)| *q == quantity && *e == explanation) {
                Some((_, _, places)) => places.push(place),
                None => notes.push((quantity, explanation, vec![place])),
            }
        }
    }
    let paragraph = |(quantity, explanation, places): (Quantity, &str, Vec<String>)| {
        let (name, places) = (quantity.name(), places.join("; "));
        wrap(&format!(
            "* Differs by more than {TOLERANCE} % from the printed {name} ({places}). {explanation}"
        ))
    };
    notes.into_iter().map(paragraph).collect()
}

/// Breaks a paragraph into lines; all but the first are indented to align after the star.
fn wrap(paragraph: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in paragraph.split_whitespace() {
        let length = word.chars().count();
        if width == 0 {
            width = length;
        } else if width + 1 + length <= LINE {
            lines.push(' ');
            width += 1 + length;
        } else {
            lines.push_str("\n  ");
            width = 2 + length;
        }
        lines.push_str(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelk_models::Network;
    use pelk_models::cost::{NetworkCost, PaperRules, count};
    use pelk_models::zoo::{self, PaperNumbers, Task};

    /// PeLK-atto, for which no paper prints numbers, with made-up numbers that are off by these factors.
    fn atto(params: f64, macs: f64) -> Counted {
        let network = Network::new(zoo::model("pelk_atto").unwrap().configure(3, 10).unwrap()).unwrap();
        let cost = count(&network, [28, 28], PaperRules::PLAIN).unwrap();
        let total = cost.total();
        let printed = PaperNumbers {
            task: Task::ImageNet,
            size: [28, 28],
            params_m: params * total.params_paper / M,
            macs_g: macs * total.macs_paper / G,
        };
        Counted {
            model: "pelk_atto",
            task: Task::ImageNet,
            size: [28, 28],
            cost,
            dense: NetworkCost::default(),
            printed: Some(printed),
        }
    }

    #[test]
    fn what_agrees_needs_no_footnote() {
        assert!(footnotes(&[atto(1.0, 1.0), atto(1.01, 0.99)]).is_empty());
        let unprinted = Counted { printed: None, ..atto(2.0, 2.0) };
        assert!(footnotes(&[unprinted]).is_empty());
    }

    #[test]
    fn what_differs_is_named_once_and_nothing_is_made_up() {
        let notes = footnotes(&[atto(1.0, 1.02), atto(1.0, 0.5), atto(1.0, 1.0)]);
        assert_eq!(notes.len(), 1);
        assert!(notes[0].contains("printed multiply-adds"), "{}", notes[0]);
        let one_line = notes[0].split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(one_line.matches("pelk_atto at 28:").count(), 2, "{one_line}");
        assert!(notes[0].ends_with("The reason is unknown."), "{}", notes[0]);
    }

    #[test]
    fn the_cells_of_the_paper_that_no_count_meets_are_explained() {
        let tiny = Counted { model: "pelk_t", ..atto(1.0, 0.96) };
        let small = Counted { model: "pelk_s", ..atto(1.0, 0.98) };
        let notes = footnotes(&[tiny, small]);
        assert_eq!(notes.len(), 1);
        assert!(notes[0].contains("pelk_t at 28") && notes[0].contains("pelk_s at 28"), "{}", notes[0]);
        assert!(notes[0].replace("\n ", "").contains("2048 x 512"), "{}", notes[0]);
    }

    #[test]
    fn parameters_have_a_footnote_of_their_own() {
        let notes = footnotes(&[Counted { model: "pelk_s", ..atto(0.9, 0.9) }]);
        assert_eq!(notes.len(), 2);
        assert!(notes[0].contains("printed parameters (pelk_s at 28"), "{}", notes[0]);
    }

    #[test]
    fn differences_have_a_sign_and_a_star_where_needed() {
        let text = |factor: f64| Quantity::Parameters.compare(&atto(factor, 1.0)).unwrap().difference_text();
        assert_eq!(text(1.0), "+0.0 %");
        assert_eq!(text(1.0001), "+0.0 %");
        assert_eq!(text(0.5), "+100.0 % *");
        assert_eq!(text(2.0), "-50.0 % *");
    }

    #[test]
    fn long_paragraphs_are_broken_between_words() {
        let wrapped = wrap(&"word ".repeat(50));
        assert!(wrapped.lines().all(|line| line.chars().count() <= LINE));
        assert_eq!(wrapped.lines().count(), 3);
        assert!(wrapped.lines().skip(1).all(|line| line.starts_with("  word")));
    }
}
