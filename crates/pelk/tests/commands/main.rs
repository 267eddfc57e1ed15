//! The commands as a user runs them: the program itself, on a small dataset in its own folder.

mod ablation;
mod bad_input;
mod bench;
mod data_check;
mod discovery;
mod every_fault;
mod folding;
mod gpu;
mod identity;
mod interruptions;
mod objects;
mod own_data;
mod owners;
mod reordered;
mod results;
mod sandbox;
mod segmentation;
mod showing;
mod unheard;
