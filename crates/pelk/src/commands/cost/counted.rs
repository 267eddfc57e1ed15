//! Counts of one model at one image size.

use anyhow::{Context, Result};
use pelk_models::Network;
use pelk_models::cost::{NetworkCost, PaperRules, Part, count};
use pelk_models::zoo::{Model, PaperNumbers, Task};

/// Channels of the papers' images, which are in color.
pub const CHANNELS: usize = 3;

/// The setting of a count.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The task.
    pub task: Task,
    /// Channels of the images.
    pub channels: usize,
    /// Number of classes.
    pub classes: usize,
}

/// A model, counted at one size.
pub struct Counted {
    /// Name of the model.
    pub model: &'static str,
    /// The task.
    pub task: Task,
    /// Height and width.
    pub size: [usize; 2],
    /// The count.
    pub cost: NetworkCost,
    /// The paper's count at density 1: multiply-adds with dense kernels and all weights.
    pub dense: NetworkCost,
    /// The paper's numbers, if it prints any.
    pub printed: Option<PaperNumbers>,
}

impl Counted {
    /// Counts a model for images `[height, width]`, as in `setting`.
    ///
    /// # Errors
    /// When the image is too small for the model.
    pub fn new(model: &Model, size: [usize; 2], setting: Setting) -> Result<Counted> {
        let Setting { task, channels, classes } = setting;
        let network = Network::new(model.configure_for(task, channels, classes)?)?;
        let count = |density| {
            let rules = PaperRules { density, runs_small_kernels: task.runs_small_kernels() };
            count(&network, size, rules)
                .with_context(|| format!("cannot count {} at {} x {}", model.name, size[0], size[1]))
        };
        let comparable = channels == CHANNELS && classes == task.classes();
        let printed =
            model.paper.iter().find(|printed| comparable && printed.task == task && printed.size == size);
        Ok(Counted {
            model: model.name,
            task,
            size,
            cost: count(model.density)?,
            dense: count(1.0)?,
            printed: printed.copied(),
        })
    }

    /// What the paper's numbers for this task add to the multiply-adds.
    pub fn mmcv_extra(&self) -> u64 {
        if self.task.counts_like_mmcv() { self.cost.total().mmcv_extra } else { 0 }
    }

    /// The count that the papers' numbers for this task are compared with.
    pub fn macs_as_printed(&self) -> f64 {
        self.cost.total().macs_paper + self.mmcv_extra() as f64
    }

    /// Multiply-adds of `parts` with dense kernels and all weights, divided by those executed; empty if none
    /// are.
    pub fn saved(&self, parts: &[Part]) -> String {
        let here = |part: &Part| self.cost.part(*part).macs_executed as f64;
        // The paper's way of counting may leave out small kernels, which are dense anyway.
        let dense = |part: &Part| match part {
            Part::SmallKernel => here(part),
            part => self.dense.part(*part).macs_paper,
        };
        let (dense, here): (f64, f64) = (parts.iter().map(dense).sum(), parts.iter().map(here).sum());
        if here > 0.0 { format!("{:.2}x", dense / here) } else { String::new() }
    }

    /// The size in the papers' notation.
    pub fn size(&self) -> String {
        let [height, width] = self.size;
        if height == width { height.to_string() } else { format!("{width} x {height}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelk_models::zoo;

    #[test]
    fn only_shared_kernels_save_work() {
        let setting = Setting { task: Task::ImageNet, channels: CHANNELS, classes: 1000 };
        let count = |name| Counted::new(&zoo::model(name).unwrap(), [224; 2], setting).unwrap();
        let counted = ["pelk_t", "convnext_t"].map(count);
        assert_eq!(counted[0].saved(&[Part::Mlp, Part::SmallKernel]), "1.00x");
        // About 2601 / 169 for the 51 x 51 kernels, less for the others.
        assert_eq!(counted[0].saved(&[Part::LargeKernel]), "14.03x");
        assert_eq!(counted[1].saved(&Part::ALL), "1.00x");
        assert_eq!(counted[1].saved(&[Part::SmallKernel]), "");
    }
}
