//! Ablation studies: which runs answer a question, training them, and reporting what exceeds the noise.
//!
//! The path of a sweep: [`catalog`] holds the studies and tasks; a [`plan`] turns them into runs; [`cost`]
//! holds the cost of each arm; [`sweep`] trains the runs into folders; [`results`] reads these folders;
//! [`report`] draws the conclusions, using [`statistics`].
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
