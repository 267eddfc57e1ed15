//! A report as a list of blocks, which is then written as HTML and as Markdown.

pub mod html;
pub mod markdown;
mod model;

pub use model::{Block, Document, Figure, Picture, Table};
