//! The cost of a network, by part and in total.

use super::part::Part;
use std::collections::HashMap;

/// Parameters and multiply-adds of one part.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PartCost {
    /// Trained values (running statistics excluded).
    pub params: u64,
    /// Parameters as the paper counts them: the backbone's weights times the density, everything else in
    /// full.
    pub params_paper: f64,
    /// Multiply-adds as executed here, with all weights present.
    pub macs_executed: u64,
    /// Multiply-adds as the paper counts them: dense large kernels, padding included; the backbone's times
    /// the density.
    pub macs_paper: f64,
    /// What MMCV's counter adds to these in the tables for COCO: biases of convolutions, and ReLUs.
    pub mmcv_extra: u64,
}

impl std::ops::AddAssign for PartCost {
    fn add_assign(&mut self, other: PartCost) {
        self.params += other.params;
        self.params_paper += other.params_paper;
        self.macs_executed += other.macs_executed;
        self.macs_paper += other.macs_paper;
        self.mmcv_extra += other.mmcv_extra;
    }
}

/// The cost of a network for one image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NetworkCost {
    pub(super) parts: HashMap<Part, PartCost>,
}

impl NetworkCost {
    /// The cost of one part.
    pub fn part(&self, part: Part) -> PartCost {
        self.parts.get(&part).copied().unwrap_or_default()
    }

    /// The sum over all parts.
    pub fn total(&self) -> PartCost {
        let mut total = PartCost::default();
        for part in Part::ALL {
            total += self.part(part);
        }
        total
    }
}
