//! A confusion matrix as a heat map: a row per true class, a column per predicted class.

use super::canvas::{Area, Drawing, FINE, LINE_HEIGHT, MARGIN, TEXT, WIDTH, line, text, units, width, write};
use super::theme::{GRID, GROUND, INK, SERIES};
use crate::error::{ReportError, Result};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Up to this many classes are named at the edges; more lines of text do not fit.
const MOST_NAMES: usize = 24;
/// Up to this many classes have numbers in their cells, which are then wide enough for three digits.
const MOST_NUMBERS: usize = 12;
/// Maximum number of cells per side. With more classes, several share a cell, which keeps cells visible and
/// files below about 100 kB.
const MOST_CELLS: usize = 120;
/// Maximum length of a name in characters; longer names are cut.
const LONGEST_NAME: usize = 16;

/// For each true class, the share of its labels predicted as each class.
#[derive(Debug, Clone)]
pub struct Matrix {
    /// The title, printed above the matrix and read by screen readers.
    pub title: String,
    /// What was measured; printed below the title.
    pub caption: String,
    /// The names of the classes.
    pub names: Vec<String>,
    /// Values from 0 to 1, one row per true class, one column per predicted class; rows of classes without
    /// labels are all 0.
    pub shares: Vec<f64>,
}

impl Matrix {
    /// The matrix as a standalone SVG file.
    ///
    /// # Errors
    /// When the shares are not a square matrix of values from 0 to 1.
    pub fn svg(&self) -> Result<String> {
        Ok(self.draw()?.standalone())
    }

    fn draw(&self) -> Result<Drawing> {
        let Matrix { title, caption, names, shares } = self;
        let classes = names.len();
        if classes == 0 {
            return Err(ReportError::chart(title, "has no class to draw".to_owned()));
        }
        if shares.len() != classes * classes || !shares.iter().all(|share| (0.0..=1.0).contains(share)) {
            let wanted = format!("it needs {classes} x {classes} of them, each from 0 to 1");
            return Err(ReportError::chart(title, format!("has {} shares; {wanted}", shares.len())));
        }
        let labels = Labels::new(names);
        // Below the title, the caption and the axis name.
        let (head, margin) = (MARGIN + 5.0 * TEXT, MARGIN + 1.5 * TEXT + labels.longest());
        let side = WIDTH - MARGIN - margin;
        let square = Square { left: margin, top: head + labels.longest(), side, classes };
        let below = square.top + side + 0.8 * TEXT;
        let explained = square.per_cell() > 1;
        Drawing::new(title, below + if explained { 4.2 } else { 2.8 } * TEXT + MARGIN, |area| {
            write(area, caption, [MARGIN, MARGIN + 2.0 * TEXT], HPos::Left, &text(INK))?;
            write(area, "predicted", [margin + 0.5 * side, head - 0.8 * TEXT], HPos::Center, &text(INK))?;
            upright(area, "true", [MARGIN + 0.4 * TEXT, square.top + 0.5 * side], HPos::Center)?;
            self.cells(area, &square)?;
            labels.draw(area, &square)?;
            square.frame(area)?;
            scale(area, below)?;
            if explained {
                let per_cell = square.per_cell();
                let note =
                    format!("A cell is {per_cell} x {per_cell} classes: largest share, mean on the diagonal");
                write(area, &note, [MARGIN, below + 3.2 * TEXT], HPos::Left, &text(INK))?;
            }
            Ok(())
        })
    }

    fn cells(&self, area: &Area<'_>, square: &Square) -> Result<()> {
        let cells = square.cells();
        for (row, column) in (0..cells).flat_map(|row| (0..cells).map(move |column| (row, column))) {
            let share = self.share(square, row, column);
            if share == 0.0 {
                continue;
            }
            let [[left, top], [right, bottom]] = square.cell(row, column);
            let corners = [(units(left), units(top)), (units(right), units(bottom))];
            let shade = SERIES[0].rgb().mix(strength(share));
            area.draw(&Rectangle::new(corners, shade.filled())).map_err(ReportError::drawing)?;
            if square.classes <= MOST_NUMBERS {
                let ink = if strength(share) > 0.6 { GROUND } else { INK };
                let middle = [0.5 * (left + right), 0.5 * (top + bottom)];
                write(area, &percent(share), middle, HPos::Center, &text(ink))?;
            }
        }
        Ok(())
    }

    /// The share that a cell shows: the largest of its classes, because a mean over many zeros would hide the
    /// one pair that matters; on the diagonal, the mean over the classes that have labels.
    fn share(&self, square: &Square, row: usize, column: usize) -> f64 {
        let (classes, [rows, columns]) = (square.classes, [row, column].map(|cell| square.of_cell(cell)));
        let share = |label: usize, predicted: usize| self.shares[label * classes + predicted];
        if row != column {
            let all = rows.flat_map(|label| columns.clone().map(move |predicted| share(label, predicted)));
            return all.fold(0.0, f64::max);
        }
        let labeled = |&label: &usize| (0..classes).any(|predicted| share(label, predicted) > 0.0);
        let own: Vec<f64> = rows.filter(labeled).map(|label| share(label, label)).collect();
        own.iter().sum::<f64>() / own.len().max(1) as f64
    }
}

/// Color strength of a share: its square root, so that 1 % is visible next to 100 %.
fn strength(share: f64) -> f64 {
    share.sqrt()
}

/// A share in percent, three characters; empty if it would be 0.0.
fn percent(share: f64) -> String {
    match 100.0 * share {
        percent if percent < 0.05 => String::new(),
        percent if percent < 9.95 => format!("{percent:.1}"),
        percent => format!("{percent:.0}"),
    }
}

/// Layout of the cells.
struct Square {
    left: f64,
    top: f64,
    side: f64,
    classes: usize,
}

impl Square {
    /// Number of classes that share a cell.
    fn per_cell(&self) -> usize {
        self.classes.div_ceil(MOST_CELLS)
    }

    /// Number of cells per side.
    fn cells(&self) -> usize {
        self.classes.div_ceil(self.per_cell())
    }

    fn of_cell(&self, cell: usize) -> std::ops::Range<usize> {
        let first = cell * self.per_cell();
        first..(first + self.per_cell()).min(self.classes)
    }

    /// Distance from the left or top edge to the end of `classes` classes.
    fn offset(&self, classes: usize) -> f64 {
        self.side * classes as f64 / self.classes as f64
    }

    fn cell(&self, row: usize, column: usize) -> [[f64; 2]; 2] {
        let [rows, columns] = [row, column].map(|cell| self.of_cell(cell));
        let corner =
            |row: usize, column: usize| [self.left + self.offset(column), self.top + self.offset(row)];
        [corner(rows.start, columns.start), corner(rows.end, columns.end)]
    }

    fn frame(&self, area: &Area<'_>) -> Result<()> {
        let Square { left, top, side, .. } = *self;
        let corners = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]];
        line(area, &corners.map(|[x, y]| [left + side * x, top + side * y]), GRID, 1.0)
    }
}

/// Labels at the edges: class and text.
struct Labels(Vec<(usize, String)>);

impl Labels {
    /// All names, or the numbers of some classes if names do not fit.
    fn new(names: &[String]) -> Labels {
        if names.len() <= MOST_NAMES {
            return Labels(names.iter().map(|name| shortened(name)).enumerate().collect());
        }
        let steps = [5, 10, 20, 50, 100, 200, 500].into_iter();
        let step = steps.chain((1..).map(|i| 1000 * i)).find(|step| names.len() / step <= 10).unwrap_or(1);
        Labels((0..names.len()).step_by(step).map(|class| (class, class.to_string())).collect())
    }

    /// The space that they need.
    fn longest(&self) -> f64 {
        self.0.iter().map(|(_, text)| width(text)).fold(0.0, f64::max) + 6.0
    }

    fn draw(&self, area: &Area<'_>, square: &Square) -> Result<()> {
        for (class, name) in &self.0 {
            let middle = square.offset(*class) + 0.5 * square.offset(1);
            write(area, name, [square.left - 5.0, square.top + middle], HPos::Right, &text(INK))?;
            upright(area, name, [square.left + middle, square.top - 5.0], HPos::Left)?;
        }
        Ok(())
    }
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    name.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}

/// Text running upward from `y`, centered on `x`.
fn upright(area: &Area<'_>, words: &str, [x, y]: [f64; 2], anchor: HPos) -> Result<()> {
    let font = ("sans-serif", LINE_HEIGHT * FINE * TEXT).into_font().transform(FontTransform::Rotate270);
    let style = font.color(&INK.rgb()).pos(Pos::new(anchor, VPos::Bottom));
    // As in `write`, with the baseline right of the middle.
    let baseline = x + 0.35 * TEXT + 0.25 * TEXT;
    area.draw(&Text::new(words.to_owned(), (units(baseline), units(y)), style)).map_err(ReportError::drawing)
}

/// The color scale.
fn scale(area: &Area<'_>, top: f64) -> Result<()> {
    let mut x = MARGIN;
    for share in [0.01, 0.05, 0.2, 0.5, 1.0] {
        let corners = [(units(x), units(top)), (units(x + 2.0 * TEXT), units(top + TEXT))];
        let shade = SERIES[0].rgb().mix(strength(share));
        area.draw(&Rectangle::new(corners, shade.filled())).map_err(ReportError::drawing)?;
        let label = format!("{:.0} %", 100.0 * share);
        write(area, &label, [x + 2.0 * TEXT + 5.0, top + 0.5 * TEXT], HPos::Left, &text(INK))?;
        x += 2.0 * TEXT + 12.0 + width(&label);
    }
    write(area, "of the true class's labels", [MARGIN, top + 1.8 * TEXT], HPos::Left, &text(INK))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All predictions are correct except for a share of class 1 predicted as class 0.
    fn matrix(classes: usize, share: f64) -> Matrix {
        let mut shares = vec![0.0; classes * classes];
        (0..classes).for_each(|class| shares[class * classes + class] = 1.0);
        (shares[classes], shares[classes + 1]) = (share, 1.0 - share);
        let names = (0..classes).map(|class| format!("kind <{class}>")).collect();
        Matrix { title: "Confusion".to_owned(), caption: "of 9 images".to_owned(), names, shares }
    }

    /// Rectangles with this opacity.
    fn shades(svg: &str, opacity: &str) -> usize {
        let attribute = format!("opacity=\"{opacity}\"");
        svg.lines().filter(|line| line.starts_with("<rect") && line.contains(&attribute)).count()
    }

    #[test]
    fn few_classes_have_names_and_numbers() {
        let svg = matrix(3, 0.09).svg().unwrap();
        for class in 0..3 {
            let name = format!("kind &lt;{class}&gt;");
            assert_eq!(svg.matches(&name).count(), 2, "{name} at two edges");
        }
        assert!(svg.contains("9.0") && svg.contains("91") && svg.contains("rotate(270"), "{svg}");
        assert_eq!(shades(&svg, "0.3"), 1, "the cell of 9 %");
        // Three cells on the diagonal, one beside it, five shades of the scale, the background.
        assert_eq!(svg.matches("<rect").count(), 10);
        assert!(svg.contains("var(--chart-1)") && svg.contains("prefers-color-scheme"));
    }

    #[test]
    fn many_classes_have_numbers_at_the_edges_and_few_cells() {
        let svg = matrix(100, 0.16).svg().unwrap();
        assert!(!svg.contains("kind") && svg.contains(">\n90\n<"), "{svg}");
        assert_eq!(shades(&svg, "0.4"), 1);
        assert!(!svg.contains("A cell is"));

        let mut large = matrix(1000, 0.0);
        // One pair far from the diagonal is visible although 81 pairs share its cell.
        large.shares[20 * 1000 + 700] = 0.25;
        let svg = large.svg().unwrap();
        assert!(svg.contains("A cell is 9 x 9 classes") && svg.len() < 200_000, "{}", svg.len());
        assert_eq!(shades(&svg, "0.5"), 1);
        large.shares.fill(0.001);
        assert!(large.svg().unwrap().len() < 3_000_000);
    }

    #[test]
    fn a_cell_of_many_classes_shows_the_mean_of_those_on_the_diagonal_that_have_labels() {
        let mut matrix = matrix(240, 0.5);
        let square = Square { left: 0.0, top: 0.0, side: 240.0, classes: 240 };
        assert_eq!((square.per_cell(), square.cells()), (2, 120));
        assert_eq!(matrix.share(&square, 0, 0), 0.75);
        matrix.shares[240..480].fill(0.0);
        assert_eq!(matrix.share(&square, 0, 0), 1.0);
        assert_eq!(square.cell(119, 0), [[0.0, 238.0], [2.0, 240.0]]);
    }

    #[test]
    fn numbers_take_three_characters() {
        assert_eq!([0.0004, 0.001, 0.0994, 0.0996, 1.0].map(percent), ["", "0.1", "9.9", "10", "100"]);
        assert_eq!(shortened("a name of some length"), "a name of some …");
    }

    #[test]
    fn what_is_no_square_of_shares_is_refused() {
        let refused = |matrix: Matrix| matrix.svg().unwrap_err().to_string();
        let bad = Matrix { shares: vec![0.5; 3], ..matrix(2, 0.0) };
        assert!(refused(bad).contains("3 shares; it needs 2 x 2"));
        for share in [f64::NAN, 1.5, -0.1] {
            assert!(
                refused(Matrix { shares: vec![share; 4], ..matrix(2, 0.0) }).contains("each from 0 to 1")
            );
        }
        assert!(refused(Matrix { shares: vec![], names: vec![], ..matrix(2, 0.0) }).contains("no class"));
    }
}
