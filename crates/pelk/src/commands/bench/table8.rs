//! Table 8 of the paper: images per second at 224 x 224, also for the same networks with dense kernels.

use super::cases::{Model, Pass};
use super::model::in_own_process;
use super::record::Record;
use crate::device::Choice;
use crate::output::{note, say};
use crate::timing::Timing;
use anyhow::{Result, bail};
use pelk_report::table::{Table, number, text};
use std::io::IsTerminal;

/// The networks take turns this many times, so that a disturbance of several minutes does not affect only
/// one.
const ROUNDS: usize = 3;

/// A row of the table.
#[derive(Debug, Clone, Copy)]
struct Line {
    model: &'static str,
    dense: bool,
    /// Images per second in the paper.
    paper: Option<f64>,
}

const fn line(model: &'static str, dense: bool, paper: Option<f64>) -> Line {
    Line { model, dense, paper }
}

/// The rows; the others are compared with the first.
const LINES: [Line; 5] = [
    line("slak_t", false, Some(754.0)),
    line("pelk_t", false, Some(1138.0)),
    line("pelk_t_101", false, Some(1077.0)),
    line("pelk_t", true, None),
    line("pelk_t_101", true, None),
];

const EXPLANATION: &str = "\
here   single images on this machine: median over the rounds of the median in a separate process
paper  another machine: an A100 GPU with PyTorch 1.10 in float32, batch size not given
dense  the same network with a parameter for every tap of its large kernels, using the fastest operator";

/// Measures the lines in turn and prints the table.
///
/// # Errors
/// When a measurement fails.
pub fn run(device: &Choice, threads: Option<usize>, runs: usize) -> Result<()> {
    let mut milliseconds = LINES.map(|_| Vec::new());
    for round in 1..=ROUNDS {
        for (line, times) in LINES.iter().zip(&mut milliseconds) {
            if std::io::stderr().is_terminal() {
                note!("round {round} of {ROUNDS}: {}", line.name());
            }
            times.push(line.measure(device, threads, runs)?);
        }
    }
    let speeds = milliseconds.map(|times| 1e3 / Timing::of(times).median_ms);
    say!("{}\n{EXPLANATION}", table(speeds));
    Ok(())
}

impl Line {
    fn name(&self) -> String {
        if self.dense { format!("{}, dense", self.model) } else { self.model.to_owned() }
    }

    /// The median time per image, in milliseconds.
    fn measure(&self, device: &Choice, threads: Option<usize>, runs: usize) -> Result<f64> {
        let (name, dense) = (self.model.to_owned(), self.dense);
        let model = Model { name, dense, size: 224, batch: 1, pass: Pass::Inference };
        match in_own_process(&model, device, threads, runs)? {
            Record::Model { times, .. } => Ok(times.ms),
            _ => bail!("the measurement of {} is not that of a model", self.name()),
        }
    }
}

fn table(speeds: [f64; LINES.len()]) -> Table<6> {
    let mut table = Table::new([
        text("model"),
        number("here,\nimages/s"),
        number("x SLaK-T"),
        number("x dense"),
        number("paper,\nimages/s"),
        number("x SLaK-T"),
    ]);
    let paper = |line: &Line| line.paper.unwrap_or(f64::NAN);
    let shown = |value: f64, text: String| if value.is_finite() { text } else { "-".to_owned() };
    for (line, speed) in LINES.iter().zip(speeds) {
        let dense = LINES.iter().position(|other| other.dense && other.model == line.model);
        let over_dense = dense.filter(|_| !line.dense).map_or(f64::NAN, |i| speed / speeds[i]);
        let printed = paper(line);
        table.row([
            line.name(),
            format!("{speed:.2}"),
            format!("{:.2}", speed / speeds[0]),
            shown(over_dense, format!("{over_dense:.2}")),
            shown(printed, format!("{printed:.0}")),
            shown(printed, format!("{:.2}", printed / paper(&LINES[0]))),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelk_models::zoo;

    #[test]
    fn speeds_are_held_against_slak_dense_kernels_and_the_paper() {
        let expected = "                      here,                       paper,
model              images/s  x SLaK-T  x dense  images/s  x SLaK-T
-----------------  --------  --------  -------  --------  --------
slak_t                 5.00      1.00        -       754      1.00
pelk_t                10.00      2.00     4.00      1138      1.51
pelk_t_101             8.00      1.60     8.00      1077      1.43
pelk_t, dense          2.50      0.50        -         -         -
pelk_t_101, dense      1.00      0.20        -         -         -
";
        assert_eq!(table([5.0, 10.0, 8.0, 2.5, 1.0]).to_string(), expected);
    }

    #[test]
    fn the_models_are_in_the_zoo() {
        for line in LINES {
            assert_eq!(zoo::model(line.model).unwrap().name, line.model);
        }
    }
}
