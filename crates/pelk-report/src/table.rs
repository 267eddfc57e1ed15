//! Plain-text tables with aligned columns.

use std::fmt;

/// How the cells of a column are aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

/// A column: its heading, which may have several lines, and its alignment.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    heading: &'static str,
    align: Align,
    optional: bool,
}

/// A left-aligned column of text.
pub fn text(heading: &'static str) -> Column {
    Column { heading, align: Align::Left, optional: false }
}

/// A right-aligned column of numbers; digits line up if all cells have the same number of decimals.
pub fn number(heading: &'static str) -> Column {
    Column { heading, align: Align::Right, optional: false }
}

/// A number with three significant digits, and with all digits of its whole part: `0.104`, `12.3`, `1234`.
/// For numbers that differ by orders of magnitude, such as speeds.
pub fn significant(value: f64) -> String {
    // Rounding may add a digit: 99.95 is 100.
    let rounded = format!("{value:.2e}");
    let exponent = rounded.split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok());
    let decimals = match exponent {
        Some(exponent) if value != 0.0 => usize::try_from(2 - exponent).unwrap_or(0),
        _ => 0,
    };
    format!("{value:.decimals$}")
}

impl Column {
    /// The same column, left out of a table in which all of its cells are empty.
    #[must_use]
    pub fn optional(self) -> Column {
        Column { optional: true, ..self }
    }
}

/// A table of `N` columns; [`Display`](fmt::Display) writes it, each line with a line break.
#[derive(Debug, Clone)]
pub struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table without rows.
    pub fn new(columns: [Column; N]) -> Table<N> {
        Table { columns, rows: Vec::new() }
    }

    /// Adds a row below the others.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    /// The columns that are shown.
    fn shown(&self) -> Vec<usize> {
        let is_shown = |i: &usize| {
            let column = &self.columns[*i];
            !column.optional || self.rows.iter().any(|row| !row[*i].is_empty())
        };
        (0..N).filter(is_shown).collect()
    }

    /// The heading as rows of cells; short headings are at the bottom, next to their column.
    fn heading(&self) -> Vec<[String; N]> {
        let height = self.columns.iter().map(|column| column.heading.lines().count()).max().unwrap_or(0);
        let line = |i: usize| {
            self.columns.map(|column| {
                let above = height - column.heading.lines().count();
                let line = i.checked_sub(above).and_then(|i| column.heading.lines().nth(i));
                line.unwrap_or_default().to_owned()
            })
        };
        (0..height).map(line).collect()
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (heading, shown) = (self.heading(), self.shown());
        let mut widths = [0; N];
        for row in heading.iter().chain(&self.rows) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |row: &[String; N]| {
            let cells: Vec<_> = shown
                .iter()
                .map(|&i| match self.columns[i].align {
                    Align::Left => format!("{:<1$}", row[i], widths[i]),
                    Align::Right => format!("{:>1$}", row[i], widths[i]),
                })
                .collect();
            cells.join("  ").trim_end().to_owned()
        };
        for row in &heading {
            writeln!(f, "{}", line(row))?;
        }
        writeln!(f, "{}", line(&widths.map(|width| "-".repeat(width))))?;
        for row in &self.rows {
            writeln!(f, "{}", line(row))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stands_left_and_numbers_right() {
        let mut table = Table::new([text("model"), number("size"), number("share")]);
        table.row(["pelk_t".into(), "224".into(), "5.0 %".into()]);
        table.row(["pelk_b_101".into(), "28".into(), "12.5 %".into()]);
        let expected = "\
model       size   share
----------  ----  ------
pelk_t       224   5.0 %
pelk_b_101    28  12.5 %
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn numbers_of_any_magnitude_show_three_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.012345, "0.0123"),
            (0.1038, "0.104"),
            (-2.5, "-2.50"),
            (12.34, "12.3"),
            (99.95, "100"),
            (640.4, "640"),
            (12345.6, "12346"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(significant(value), text);
        }
    }

    #[test]
    fn an_optional_column_needs_a_cell() {
        let mut table = Table::new([text("a"), number("b").optional(), number("c")]);
        table.row(["1".into(), String::new(), "3".into()]);
        assert_eq!(table.to_string(), "a  c\n-  -\n1  3\n");
        table.row(["1".into(), "2".into(), "3".into()]);
        assert!(table.to_string().starts_with("a  b  c\n"));
    }

    #[test]
    fn headings_of_several_lines_end_at_the_rule() {
        let mut table = Table::new([text("name"), number("parameters,\nmillions")]);
        table.row(["a".into(), "1".into()]);
        let expected = "      parameters,
name     millions
----  -----------
a               1
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn lines_have_no_trailing_blanks_and_widths_count_characters() {
        let mut table = Table::new([number("n"), text("note")]);
        table.row(["±1".into(), String::new()]);
        assert_eq!(table.to_string(), " n  note\n--  ----\n±1\n");
    }
}
