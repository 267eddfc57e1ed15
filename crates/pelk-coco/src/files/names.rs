//! Ids that are texts, such as `"img_1"` where COCO has 1.

use super::json::Found;
use std::collections::HashMap;

/// Texts get preliminary numbers from here on, because annotations may come before images and categories.
const FIRST: u64 = 1 << 63;

/// The texts that stand for ids of one kind of entries.
#[derive(Debug, Default)]
pub(super) struct Names {
    numbers: HashMap<String, u64>,
    texts: Vec<String>,
}

impl Names {
    /// Replaces an id by its integer, a preliminary one if it is a text. Anything else stays.
    pub fn resolve(&mut self, id: &mut Found) {
        let number = match (id.integer(), &mut *id) {
            (Some(number), _) => number,
            (None, Found::Text(text)) => {
                let next = FIRST + self.texts.len() as u64;
                let number = *self.numbers.entry(text.clone()).or_insert(next);
                if number == next {
                    self.texts.push(std::mem::take(text));
                }
                number
            }
            _ => return,
        };
        *id = Found::Integer(number);
    }

    /// The text behind a preliminary number.
    pub fn text(&self, number: u64) -> Option<&str> {
        let place = usize::try_from(number.checked_sub(FIRST)?).ok()?;
        self.texts.get(place).map(String::as_str)
    }

    /// Whether there are texts among the ids.
    pub fn is_used(&self) -> bool {
        !self.texts.is_empty()
    }

    /// The final numbers by preliminary ones: above all integers, in the order of the `ids` of a list.
    pub fn numbers(&self, ids: impl Iterator<Item = u64> + Clone) -> HashMap<u64, u64> {
        if !self.is_used() {
            return HashMap::new();
        }
        let is_text = |id: &u64| self.text(*id).is_some();
        let largest = ids.clone().filter(|id| !is_text(id)).max().unwrap_or(0);
        ids.filter(is_text).zip(largest.saturating_add(1)..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_numbered_above_the_integers_in_the_order_of_the_list() {
        let mut names = Names::default();
        let mut resolve = |found| {
            let mut found = found;
            names.resolve(&mut found);
            found.integer()
        };
        let text = |text: &str| Found::Text(text.to_owned());
        let [late, early] = [resolve(text("late")), resolve(text("early"))].map(Option::unwrap);
        assert_eq!(resolve(text("late")), Some(late));
        assert_eq!(
            (resolve(text("7")), resolve(Found::Float(8.0)), resolve(Found::Integer(9))),
            (Some(7), Some(8), Some(9))
        );
        assert_ne!(resolve(text("07")), Some(7), "07 and 7 are two names");
        assert_eq!((resolve(Found::Float(0.5)), resolve(Found::Bool(true))), (None, None));
        assert_eq!((names.text(late), names.text(7)), (Some("late"), None));
        let numbers = names.numbers([early, 9, late].into_iter());
        assert_eq!((numbers[&early], numbers[&late], numbers.len()), (10, 11, 2));
        assert!(Names::default().numbers([1, u64::MAX].into_iter()).is_empty());
    }
}
