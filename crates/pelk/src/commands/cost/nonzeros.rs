//! Counts the nonzero values of a trained network.

use crate::output::say;
use anyhow::Result;
use pelk_models::Network;
use pelk_models::cost::{Part, parts};
use pelk_report::table::{Table, number, text};
use pelk_train::Checkpoint;
use pelk_train::network_alone;
use std::path::Path;

/// Counts the trained values of the network in a checkpoint, by part.
///
/// # Errors
/// When the checkpoint is unusable.
pub fn run(path: &Path) -> Result<()> {
    let Checkpoint { description, tensors, .. } = network_alone(Checkpoint::read(path)?)?;
    let network = Network::new(description.network.clone())?;
    let parts = parts(&network)?;
    let count = |part: Option<Part>| {
        let of_part = parts.iter().filter(|(_, of)| part.is_none_or(|part| part == *of));
        let tensors = of_part.filter_map(|(spec, _)| tensors.get(&spec.name));
        tensors.fold([0, 0], |[all, nonzero], tensor| {
            [all + tensor.len(), nonzero + tensor.iter().filter(|value| **value != 0.0).count()]
        })
    };
    let mut table = Table::new([text("part"), number("values"), number("nonzero"), number("share")]);
    let mut row = |name: &str, [all, nonzero]: [usize; 2]| {
        let share = 100.0 * nonzero as f64 / all as f64;
        table.row([name.to_owned(), all.to_string(), nonzero.to_string(), format!("{share:.1} %")]);
    };
    for part in Part::ALL {
        let counted = count(Some(part));
        if counted[0] > 0 {
            row(part.name(), counted);
        }
    }
    row("all", count(None));
    say!("{} after step {}\n\n{table}", description.network.name, description.step);
    Ok(())
}
