//! What cannot be drawn.

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The values do not make a chart.
    #[error("chart {title:?} {reason}")]
    Chart {
        /// Title of the chart.
        title: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The drawing library refused.
    #[error("cannot draw the chart: {0}")]
    Drawing(String),
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, ReportError>;

impl ReportError {
    /// Refuses a chart; `reason` goes on after its title.
    pub(crate) fn chart(title: &str, reason: String) -> ReportError {
        ReportError::Chart { title: title.to_owned(), reason }
    }

    /// An error of the drawing library.
    pub(crate) fn drawing(error: impl std::fmt::Display) -> ReportError {
        ReportError::Drawing(error.to_string())
    }
}
