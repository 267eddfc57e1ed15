//! Horizontal stacked bars: the parts of a whole, measured in several ways.

use super::canvas::{Drawing, Legend, MARGIN, TEXT, WIDTH, rectangle, text, width, write};
use super::series::MOST_SERIES;
use super::theme::{GROUND, INK, SERIES};
use crate::error::{ReportError, Result};
use plotters::style::text_anchor::HPos;

/// Height of a bar.
const BAR: f64 = 34.0;
/// Distance from one bar to the next, including its name.
const ROW: f64 = BAR + 30.0;

/// Stacked bars of equal length: the segments show shares of a whole.
#[derive(Debug, Clone)]
pub struct Bars {
    /// The title, printed above the bars and read by screen readers.
    pub title: String,
    /// The names of the segments, up to [`MOST_SERIES`], in the order of the legend.
    pub segments: Vec<String>,
    /// The bars, from top to bottom.
    pub rows: Vec<Row>,
}

/// A bar.
#[derive(Debug, Clone)]
pub struct Row {
    /// The name, written above the bar.
    pub name: String,
    /// The amount of each segment, 0 or more, in any unit.
    pub amounts: Vec<f64>,
}

impl Bars {
    /// The bars as a standalone SVG file.
    ///
    /// # Errors
    /// When there are more segments than colors, or the amounts of a bar do not make shares.
    pub fn svg(&self) -> Result<String> {
        Ok(self.draw()?.standalone())
    }

    fn check(&self) -> Result<()> {
        let Bars { title, segments, rows } = self;
        let count = segments.len();
        let refuse = |reason| Err(ReportError::chart(title, reason));
        if count > MOST_SERIES {
            return refuse(format!("has {count} segments, but there are only {MOST_SERIES} colors"));
        }
        if rows.is_empty() {
            return refuse("has no bar to draw".to_owned());
        }
        for Row { name, amounts } in rows {
            if amounts.len() != count {
                let reason =
                    format!("has {} amounts for the {count} segments of bar {name:?}", amounts.len());
                return refuse(reason);
            }
            let valid = amounts.iter().all(|amount| amount.is_finite() && *amount >= 0.0);
            if !valid || amounts.iter().sum::<f64>() <= 0.0 {
                let reason = "must be 0 or more and not all 0";
                return refuse(format!("has the amounts {amounts:?} in bar {name:?}; they {reason}"));
            }
        }
        Ok(())
    }

    fn draw(&self) -> Result<Drawing> {
        self.check()?;
        let legend = Legend::new(self.segments.iter().map(String::as_str));
        let top = MARGIN + 2.0 * TEXT;
        let below = top + ROW * self.rows.len() as f64;
        Drawing::new(&self.title, below + legend.height() + MARGIN, |area| {
            for (i, row) in self.rows.iter().enumerate() {
                let top = top + ROW * i as f64;
                write(area, &row.name, [MARGIN, top + 0.6 * TEXT], HPos::Left, &text(INK))?;
                let (top, mut left) = (top + 1.4 * TEXT, MARGIN);
                let total: f64 = row.amounts.iter().sum();
                for (amount, &color) in row.amounts.iter().zip(&SERIES) {
                    let right = left + (WIDTH - 2.0 * MARGIN) * amount / total;
                    rectangle(area, [[left, top], [right, top + BAR]], color)?;
                    let share = share(amount / total);
                    if width(&share) + 6.0 < right - left {
                        write(
                            area,
                            &share,
                            [0.5 * (left + right), top + 0.5 * BAR],
                            HPos::Center,
                            &text(GROUND),
                        )?;
                    }
                    left = right;
                }
            }
            legend.draw(area, below, |i, [x, y]| {
                rectangle(area, [[x - 7.0, y - 6.0], [x + 7.0, y + 6.0]], SERIES[i])
            })
        })
    }
}

/// A share in percent: with one decimal, or two if below 1 %.
fn share(share: f64) -> String {
    let percent = 100.0 * share;
    if percent < 1.0 { format!("{percent:.2} %") } else { format!("{percent:.1} %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(rows: &[&[f64]]) -> Bars {
        Bars {
            title: "Shares".to_owned(),
            segments: vec!["a".to_owned(), "b".to_owned()],
            rows: rows.iter().map(|row| Row { name: "bar".to_owned(), amounts: row.to_vec() }).collect(),
        }
    }

    #[test]
    fn shares_are_written_where_they_fit() {
        let svg = bars(&[&[2.0, 6.0], &[0.001, 0.999]]).svg().unwrap();
        assert!(svg.contains("25.0 %") && svg.contains("75.0 %") && svg.contains("99.9 %"), "{svg}");
        assert!(!svg.contains("0.10 %"));
        // Two bars of two segments, two marks in the legend, and the ground.
        assert_eq!(svg.matches("<rect").count(), 7);
    }

    #[test]
    fn bars_without_shares_are_refused_by_name() {
        let error = |bars: Bars| bars.svg().unwrap_err().to_string();
        for row in [&[0.0, 0.0], &[1.0, -1.0], &[f64::NAN, 1.0]] {
            let message = error(bars(&[row]));
            assert!(message.contains("\"bar\"") && message.contains("0 or more"), "{message}");
        }
        assert!(error(bars(&[&[1.0]])).contains("1 amounts"));
        assert!(error(bars(&[])).contains("no bar"));
        let many = Bars { segments: vec![String::new(); MOST_SERIES + 1], ..bars(&[&[1.0, 1.0]]) };
        assert!(error(many).contains("9 segments"));
    }

    #[test]
    fn small_shares_keep_two_decimals() {
        assert_eq!([0.0005, 0.2461, 1.0].map(share), ["0.05 %", "24.6 %", "100.0 %"]);
    }
}
