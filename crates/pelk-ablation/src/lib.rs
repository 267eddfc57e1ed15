//! Ablation studies: which runs answer a question, how they are trained, and what they tell beyond their noise.
//!
//! The way of one sweep: [`catalog`] holds the studies and tasks; a [`plan`] makes runs of them; [`cost`] says what an arm
//! costs; [`sweep`] trains the runs into folders; [`results`] reads these folders; [`report`] says what they tell, with
//! [`statistics`].
//!
//! ```
//! use pelk_ablation::plan::Plan;
//!
//! let plan = Plan {
//!     studies: vec!["kernel".to_owned()],
//!     quick: true,
//!     seeds: 3,
//!     settings: vec![],
//!     budgets: [("long-range".to_owned(), vec![600, 1200])].into(),
//! };
//! let runs = plan.runs()?;
//! assert_eq!(runs.len(), 4 * 3 * 2); // kernels, seeds, training lengths
//! # Ok::<(), pelk_ablation::AblationError>(())
//! ```
#![forbid(unsafe_code)]

pub mod catalog;
pub mod cost;
mod error;
pub mod plan;
pub mod report;
pub mod results;
pub mod statistics;
pub mod sweep;

pub use error::{AblationError, Result};
