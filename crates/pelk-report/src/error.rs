//! The crate's error type.

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The values do not make a valid chart.
    #[error("chart {title:?} {reason}")]
    Chart {
        /// Title of the chart.
        title: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The drawing library failed.
    #[error("cannot draw the chart: {0}")]
    Drawing(String),
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, ReportError>;

impl ReportError {
    /// Rejects a chart; `reason` follows its title in the message.
    pub(crate) fn chart(title: &str, reason: String) -> ReportError {
        ReportError::Chart { title: title.to_owned(), reason }
    }

    /// An error from the drawing library.
    pub(crate) fn drawing(error: impl std::fmt::Display) -> ReportError {
        ReportError::Drawing(error.to_string())
    }
}
