//! COCO's instance annotations: as labels of pixels, and as objects.

mod instances;
mod layout;
mod pixels;
mod select;

pub use instances::{CocoInstances, coco_instances};
pub use pixels::{Coco, coco};
pub use select::ObjectConfig;

pub(crate) use layout::split_name;
