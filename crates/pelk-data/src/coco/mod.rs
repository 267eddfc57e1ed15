//! COCO's instance annotations: as labels of pixels, and as objects.

mod instances;
mod layout;
mod passed;
mod pixels;
mod search;
mod select;
mod set;
#[cfg(test)]
mod tests;

pub use instances::{CocoInstances, coco_instances};
pub use pixels::{Coco, coco};
pub use select::ObjectConfig;

pub(crate) use layout::{recognized, split_name};
