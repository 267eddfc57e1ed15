//! Figures and text for reports: SVG charts, plain-text tables, and HTML and Markdown documents.
//!
//! Nothing here knows about networks or runs, only numbers and names. Charts work in light and dark themes
//! and at any width, and the same input always gives the same bytes, so figures can be under version control.
//!
//! ```
//! use pelk_report::chart::{Axis, Chart, Point, Series, Style};
//!
//! let points = [(7.0, 28.6), (31.0, 34.6), (51.0, 45.5)];
//! let chart = Chart {
//!     title: "ConvNeXt-T: parameters by kernel size".to_owned(),
//!     x: Axis { label: "kernel size".to_owned(), ..Axis::default() },
//!     y: Axis { label: "parameters, M".to_owned(), ..Axis::default() },
//!     series: vec![Series {
//!         name: "dense".to_owned(),
//!         points: points.map(|(x, y)| Point { x, y, ..Point::default() }).into(),
//!         style: Style::Both,
//!     }],
//! };
//! let svg = chart.svg()?;
//! assert!(svg.starts_with("<svg"));
//! # Ok::<(), pelk_report::ReportError>(())
//! ```
#![forbid(unsafe_code)]

pub mod chart;
pub mod document;
mod error;
pub mod table;

pub use error::{ReportError, Result};
