//! Reads tables of numbers.

use crate::error::{Result, TrainError};
use std::path::Path;

/// A field of a value that may not have been measured.
pub fn field(value: Option<f64>) -> String {
    value.map_or("none".to_owned(), |value| format!("{value:.6}"))
}

/// The value of such a field. Earlier versions wrote NaN, and -1 for a precision, where nothing was measured;
/// no loss and no share is negative.
pub fn value(field: &str) -> Option<Option<f64>> {
    match field {
        "none" => Some(None),
        _ => field.parse().ok().map(|value: f64| (value >= 0.0).then_some(value)),
    }
}

/// The rows of a table whose first line is one of `headers`; `parse` gets this line and a row's fields. A
/// missing file counts as an empty table.
pub fn read<R>(path: &Path, headers: &[&str], parse: impl Fn(&str, &[&str]) -> Option<R>) -> Result<Vec<R>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(TrainError::read(path, error)),
    };
    let mut lines = text.lines();
    let Some(first) = lines.next().filter(|first| headers.contains(first)) else {
        let header = headers[0];
        let reason = format!("its first line is not {header:?}; move the file away to continue without it");
        return Err(TrainError::Metrics { path: path.to_owned(), reason });
    };
    let row = |(i, line): (usize, &str)| {
        parse(first, &line.split(',').collect::<Vec<_>>()).ok_or_else(|| TrainError::Metrics {
            path: path.to_owned(),
            reason: format!("line {} is not a row of metrics: {line:?}", i + 2),
        })
    };
    lines.enumerate().map(row).collect()
}
