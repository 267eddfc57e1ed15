//! Reports: a list of blocks, rendered as HTML or Markdown.

pub mod html;
pub mod markdown;
mod model;

pub use model::{Block, Document, Figure, Picture, Table};
