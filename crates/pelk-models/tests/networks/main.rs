//! Networks, their parameters and their files. One crate, since each would link all of the workspace anew.

mod configuration;
mod cost;
mod folding;
mod places;
mod weights;
mod zoo;
