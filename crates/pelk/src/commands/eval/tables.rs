//! The tables of classes, and the confusion matrix.

use anyhow::Result;
use pelk_report::chart::Matrix;
use pelk_report::table::{Table, number, text};
use pelk_train::Confusion;

/// Up to this many classes are all shown, since they fit on a screen; otherwise only the worst.
const SCREEN: usize = 30;
const WORST: usize = 20;

/// Recall and precision of each class, and the class that it is most often confused with.
pub fn by_class(confusion: &Confusion, classes: &[String], shown: &[usize]) -> Table<5> {
    let mut table = Table::new([
        text("class"),
        number("labels"),
        number("recall"),
        number("precision"),
        text("most often confused with"),
    ]);
    for &class in shown {
        table.row([
            classes[class].clone(),
            confusion.labels(class).to_string(),
            percent(confusion.recall(class)),
            percent(confusion.precision(class)),
            confused_with(confusion, class)
                .map_or(String::new(), |(other, count)| format!("{} ({count})", classes[other])),
        ]);
    }
    table
}

/// Share of the pixels, IoU and accuracy of each class, and the class that it is most often confused with.
pub fn by_pixels(confusion: &Confusion, classes: &[String], shown: &[usize]) -> Table<5> {
    let mut table = Table::new([
        text("class"),
        number("pixels"),
        number("IoU"),
        number("Acc"),
        text("most often confused with"),
    ]);
    for &class in shown {
        let labels = confusion.labels(class);
        table.row([
            classes[class].clone(),
            percent(share(labels, confusion.total())),
            percent(confusion.iou(class)),
            percent(confusion.recall(class)),
            confused_with(confusion, class).map_or(String::new(), |(other, count)| {
                format!("{} ({})", classes[other], percent(share(count, labels)))
            }),
        ]);
    }
    table
}

/// The classes that a table shows, and a remark about the others. Shows all in order, or, if they do not fit
/// on a screen, those with the lowest `value`, lowest first; classes without a value have no labels.
pub fn choose(
    classes: usize,
    all: bool,
    name: &str,
    value: impl Fn(usize) -> Option<f64>,
) -> (Vec<usize>, Option<String>) {
    if all || classes <= SCREEN {
        return ((0..classes).collect(), None);
    }
    let mut rated: Vec<_> = (0..classes).filter_map(|class| Some((class, value(class)?))).collect();
    rated.sort_by(|a, b| a.1.total_cmp(&b.1));
    rated.truncate(WORST);
    let remark = format!(
        "These are the {} of {classes} classes with the lowest {name}; --all-classes shows all.",
        rated.len()
    );
    (rated.into_iter().map(|(class, _)| class).collect(), Some(remark))
}

/// The confusion matrix as a picture: for each class, the shares of its labels by predicted class.
///
/// # Errors
/// When the drawing library fails.
pub fn picture(confusion: &Confusion, classes: &[String], title: String, caption: String) -> Result<String> {
    let row = |class: usize| {
        let labels = confusion.labels(class);
        (0..classes.len())
            .map(move |predicted| share(confusion.count(class, predicted), labels).unwrap_or(0.0))
    };
    let shares = (0..classes.len()).flat_map(row).collect();
    Ok(Matrix { title, caption, names: classes.to_vec(), shares }.svg()?)
}

fn share(count: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| count as f64 / of as f64)
}

/// A share in percent, or `-`.
fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.1} %", 100.0 * share))
}

/// The class that is most often predicted in place of `class`, and how often.
fn confused_with(confusion: &Confusion, class: usize) -> Option<(usize, u64)> {
    let others = (0..confusion.classes()).filter(|&other| other != class);
    others
        .map(|other| (other, confusion.count(class, other)))
        .filter(|(_, count)| *count > 0)
        .max_by_key(|(_, count)| *count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Class `i` has 10 labels, `i % 10` of them correct; the others are predicted as the next class.
    fn confusion(classes: usize) -> (Confusion, Vec<String>) {
        let mut confusion = Confusion::new(classes);
        for (class, label) in (0..classes - 1).flat_map(|class| (0..10).map(move |label| (class, label))) {
            confusion.add(class, if label < class % 10 { class } else { class + 1 });
        }
        (confusion, (0..classes).map(|class| format!("class {class}")).collect())
    }

    #[test]
    fn a_table_of_many_classes_shows_the_worst() {
        let (confusion, classes) = confusion(1000);
        let choose = |classes, all| choose(classes, all, "recall", |class| confusion.recall(class));
        let (shown, remark) = choose(1000, false);
        assert_eq!((shown.len(), &shown[..3]), (WORST, &[0, 10, 20][..]));
        assert!(remark.unwrap().contains("the 20 of 1000 classes with the lowest recall"));
        let table = by_class(&confusion, &classes, &shown).to_string();
        assert_eq!(table.lines().count(), WORST + 2);
        assert!(table.contains("class 11 (10)"), "{table}");
        for (classes, all) in [(1000, true), (SCREEN, false)] {
            let (shown, remark) = choose(classes, all);
            assert_eq!((shown, remark), ((0..classes).collect::<Vec<_>>(), None));
        }
    }

    #[test]
    fn the_picture_has_the_shares_of_each_class_s_labels() {
        let (confusion, classes) = confusion(4);
        let svg = picture(&confusion, &classes, "Confusion".to_owned(), String::new()).unwrap();
        // 0, 10 and 20 % are correct; the last class has no labels and therefore no cell.
        for number in ["100", "90", "80", "10", "20"] {
            assert_eq!(svg.matches(&format!("\n{number}\n")).count(), 1, "{number}: {svg}");
        }
    }
}
