//! A report as a list of blocks.

use crate::chart::Chart;

/// A report.
#[derive(Debug, Default)]
pub struct Document {
    /// Its title.
    pub title: String,
    /// Its content.
    pub blocks: Vec<Block>,
}

/// A piece of a report.
#[derive(Debug)]
pub enum Block {
    /// A heading; level 2 is a section, level 3 a subsection.
    Heading(u8, String),
    /// A paragraph.
    Text(String),
    /// A list.
    List(Vec<String>),
    /// A table.
    Table(Table),
    /// Pictures side by side.
    Figures(Vec<Figure>),
}

/// A table. The first column names each row, the others hold numbers.
#[derive(Debug)]
pub struct Table {
    /// The headings.
    pub columns: Vec<String>,
    /// The rows, each as long as `columns`.
    pub rows: Vec<Vec<String>>,
}

/// A picture.
#[derive(Debug)]
pub struct Figure {
    /// Its name, used for its file.
    pub name: String,
    /// The picture itself.
    pub picture: Picture,
    /// The caption.
    pub caption: String,
}

/// A chart or a thumbnail.
#[derive(Debug)]
pub enum Picture {
    /// A chart.
    Chart(Chart),
    /// A small SVG element.
    Thumbnail(String),
}

impl Document {
    /// Adds a block.
    pub fn add(&mut self, block: Block) {
        self.blocks.push(block);
    }

    /// Adds a paragraph.
    pub fn text(&mut self, text: impl Into<String>) {
        self.add(Block::Text(text.into()));
    }

    /// Adds a heading.
    pub fn heading(&mut self, level: u8, text: impl Into<String>) {
        self.add(Block::Heading(level, text.into()));
    }
}
