//! The results of groups of labels or objects.

/// The results of one of a dataset's groups of labels or objects.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupResult {
    /// Name of the group.
    pub name: String,
    /// Number of labels or objects in the group, without crowds.
    pub count: u64,
    /// Its scores.
    pub scores: GroupScores,
}

/// The scores of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GroupScores {
    /// Of labels.
    Labels {
        /// Number of labels that have the highest logit.
        correct: u64,
    },
    /// Of objects: average precision over overlaps from 0.5 to 0.95; `None` where there is no object.
    Objects {
        /// Of boxes.
        box_ap: Option<f64>,
        /// Of masks.
        mask_ap: Option<f64>,
    },
}

impl GroupResult {
    /// The share of correct labels, or the average precision of boxes; `None` in a group without any.
    pub fn score(&self) -> Option<f64> {
        match self.scores {
            GroupScores::Labels { correct } => (self.count > 0).then(|| correct as f64 / self.count as f64),
            GroupScores::Objects { box_ap, .. } => box_ap,
        }
    }

    /// The scores with their names in tables.
    pub fn named(&self) -> Vec<(&'static str, Option<f64>)> {
        match self.scores {
            GroupScores::Labels { .. } => vec![("accuracy", self.score())],
            GroupScores::Objects { box_ap, mask_ap } => vec![("box_ap", box_ap), ("mask_ap", mask_ap)],
        }
    }
}
