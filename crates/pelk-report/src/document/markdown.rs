//! A report as Markdown, with its pictures as separate files.

use super::model::{Block, Document, Picture, Table};
use crate::error::Result;

/// A picture file: its name and content.
pub type PictureFile = (String, String);

/// The text and its picture files, with names relative to the text.
///
/// # Errors
/// When a chart cannot be drawn.
pub fn render(document: &Document, folder: &str) -> Result<(String, Vec<PictureFile>)> {
    let mut text = format!("# {}\n", document.title);
    let mut files = Vec::new();
    for block in &document.blocks {
        text.push('\n');
        match block {
            Block::Heading(level, heading) => {
                text += &format!("{} {heading}\n", "#".repeat(usize::from(*level)));
            }
            Block::Text(paragraph) => text += &format!("{paragraph}\n"),
            Block::List(items) => {
                for item in items {
                    text += &format!("- {item}\n");
                }
            }
            Block::Table(table) => text += &self::table(table)?,
            Block::Figures(figures) => {
                for figure in figures {
                    let name = format!("{folder}/{}.svg", figure.name);
                    // A thumbnail fills the space it gets, and Markdown cannot limit its size.
                    let svg = match &figure.picture {
                        Picture::Chart(chart) => chart.svg()?,
                        Picture::Thumbnail(svg) => svg.replacen("<svg ", "<svg width=\"120\" ", 1),
                    };
                    text += &format!("![{}]({name})\n", figure.caption.replace(['[', ']'], ""));
                    files.push((name, svg));
                }
            }
        }
    }
    Ok((text, files))
}

fn table(table: &Table) -> Result<String> {
    let row = |cells: &[String]| {
        let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = row(&table.columns);
    let rule: String = (0..table.columns.len()).map(|i| if i == 0 { " --- |" } else { " ---: |" }).collect();
    text += &format!("|{rule}\n");
    for cells in &table.rows {
        text += &row(cells);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::model::Figure;
    use super::*;

    #[test]
    fn tables_line_up_and_pictures_become_files() {
        let mut document = Document { title: "t".into(), ..Document::default() };
        document.heading(2, "section");
        document.add(Block::Table(Table {
            columns: vec!["arm".into(), "%".into()],
            rows: vec![vec!["a|b".into(), "1".into()]],
        }));
        document.add(Block::Figures(vec![Figure {
            name: "grid-dense".into(),
            picture: Picture::Thumbnail("<svg viewBox=\"0 0 3 3\"></svg>".into()),
            caption: "dense".into(),
        }]));
        let (text, files) = render(&document, "figures").unwrap();
        let expected = "# t\n\n## section\n\n| arm | % |\n| --- | ---: |\n| a\\|b | 1 |\n\n\
                        ![dense](figures/grid-dense.svg)\n";
        assert_eq!(text, expected);
        assert_eq!(files[0].0, "figures/grid-dense.svg");
        assert!(files[0].1.starts_with("<svg width=\"120\" viewBox"));
    }
}
