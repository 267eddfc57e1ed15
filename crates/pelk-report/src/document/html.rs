//! A report as one self-contained HTML file.

use super::model::{Block, Document, Figure, Picture, Table};
use crate::chart;
use crate::error::Result;

/// Style of the page; the colors are those of the charts.
const STYLE: &str = "\
* { box-sizing: border-box }
body { margin: 0; background: var(--chart-ground); color: var(--chart-ink); \
font: 16px/1.5 system-ui, sans-serif }
main { max-width: 1180px; margin: 0 auto; padding: 1rem clamp(0.75rem, 3vw, 2.5rem) 4rem }
h1 { font-size: 1.75rem; line-height: 1.2 }
h2 { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--chart-grid); font-size: 1.35rem }
h3 { margin-top: 2rem; font-size: 1.05rem }
p, li { max-width: 48rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums }
th, td { padding: 0.3rem 0.75rem; border-bottom: 1px solid var(--chart-grid); text-align: right; \
vertical-align: bottom }
th:first-child, td:first-child { padding-left: 0; text-align: left }
td { white-space: nowrap }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr)); \
gap: 1.5rem; margin: 1.5rem 0 }
.thumbnails { grid-template-columns: repeat(auto-fill, minmax(120px, 1fr)) }
figure { margin: 0; max-width: 640px }
figure svg { display: block; width: 100%; height: auto }
.thumbnails figure { max-width: 160px }
figcaption { font-size: 0.85rem; opacity: 0.8 }
@media print { h2 { break-after: avoid } figure, table { break-inside: avoid } }
";

/// The complete HTML file.
///
/// # Errors
/// When a chart cannot be drawn.
pub fn render(document: &Document) -> Result<String> {
    let title = escape(&document.title);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <style>\n{}{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n",
        chart::STYLE
    );
    for block in &document.blocks {
        match block {
            Block::Heading(level, text) => html += &format!("<h{level}>{}</h{level}>\n", escape(text)),
            Block::Text(text) => html += &format!("<p>{}</p>\n", escape(text)),
            Block::List(items) => {
                html += "<ul>\n";
                for item in items {
                    html += &format!("<li>{}</li>\n", escape(item));
                }
                html += "</ul>\n";
            }
            Block::Table(table) => html += &self::table(table)?,
            Block::Figures(figures) => html += &self::figures(figures)?,
        }
    }
    html += "</main>\n</body>\n</html>\n";
    Ok(html)
}

fn table(table: &Table) -> Result<String> {
    let row = |cells: &[String], tag: &str| {
        let cells: String = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let mut html = "<div class=\"scroll\"><table>\n<thead>\n".to_owned();
    html += &row(&table.columns, "th");
    html += "</thead>\n<tbody>\n";
    for cells in &table.rows {
        html += &row(cells, "td");
    }
    html += "</tbody>\n</table></div>\n";
    Ok(html)
}

fn figures(figures: &[Figure]) -> Result<String> {
    let thumbnails = figures.iter().all(|figure| matches!(figure.picture, Picture::Thumbnail(_)));
    let class = if thumbnails { "figures thumbnails" } else { "figures" };
    let mut html = format!("<div class=\"{class}\">\n");
    for figure in figures {
        let svg = match &figure.picture {
            Picture::Chart(chart) => chart.inline()?,
            Picture::Thumbnail(svg) => svg.clone(),
        };
        html += &format!("<figure>{svg}<figcaption>{}</figcaption></figure>\n", escape(&figure.caption));
    }
    html += "</div>\n";
    Ok(html)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_nothing_is_fetched() {
        let mut document = Document { title: "a < b & c".into(), ..Document::default() };
        document.text("x > \"y\"");
        document.add(Block::Table(Table {
            columns: vec!["arm".into(), "accuracy".into()],
            rows: vec![vec!["<b>".into(), "90.0".into()]],
        }));
        let html = render(&document).unwrap();
        assert!(html.contains("<title>a &lt; b &amp; c</title>"));
        assert!(html.contains("<p>x &gt; &quot;y&quot;</p>"));
        assert!(html.contains("<tr><td>&lt;b&gt;</td><td>90.0</td></tr>"));
        for outside in ["src=", "href=", "@import", "url("] {
            assert!(!html.contains(outside), "{outside}");
        }
    }
}
