//! Sweeps over arms, and what they tell: the engine of `pelk ablate`.
//!
//! The way of one sweep: [`catalog`] knows the studies and tasks; a [`plan`] makes runs of them; [`cost`] measures what an arm
//! costs; [`sweep`] trains the runs into folders; [`results`] reads these folders; [`report`] says what they tell, with
//! [`statistics`].

pub mod catalog;
pub mod cost;
pub mod plan;
pub mod report;
pub mod results;
pub mod statistics;
pub mod sweep;
