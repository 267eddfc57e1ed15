//! Whole runs of training, on tiny networks. One crate, since each would link all of the workspace anew.

mod common;
mod detection;
mod determinism;
mod extension;
mod failures;
mod gpu;
mod identity;
mod optimizer;
mod places;
mod run_folders;
mod segmentation;
mod sparsity;
mod weight_files;
