//! The table of a run's evaluations.

use crate::atomic::write_atomically;
use crate::error::{Result, TrainError};
use std::path::Path;

/// One evaluation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricsRow {
    /// Epochs done.
    pub epoch: u64,
    /// Steps done.
    pub step: u64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Mean training loss of the epoch, label smoothing included.
    pub train_loss: f64,
    /// Mean cross-entropy on the test images.
    pub test_loss: f64,
    /// Share of test images classified right.
    pub test_accuracy: f64,
    /// Training speed, evaluation excluded.
    pub images_per_second: f64,
}

const HEADER: &str = "epoch,step,learning_rate,train_loss,test_loss,test_accuracy,images_per_second";

/// Reads a table; a missing file is an empty one.
///
/// # Errors
/// When the file cannot be read, or a line is not a row of this table.
pub fn read(path: &Path) -> Result<Vec<MetricsRow>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(TrainError::read(path, error)),
    };
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) {
        let reason = format!("its first line is not {HEADER:?}; move the file away to go on without it");
        return Err(TrainError::Config { origin: path.display().to_string(), reason });
    }
    let row = |(i, line): (usize, &str)| {
        parse(line).ok_or_else(|| TrainError::Config {
            origin: path.display().to_string(),
            reason: format!("line {} is no row of metrics: {line:?}", i + 2),
        })
    };
    lines.enumerate().map(row).collect()
}

fn parse(line: &str) -> Option<MetricsRow> {
    let fields: Vec<&str> = line.split(',').collect();
    let &[epoch, step, learning_rate, train_loss, test_loss, test_accuracy, images_per_second] = &fields[..]
    else {
        return None;
    };
    Some(MetricsRow {
        epoch: epoch.parse().ok()?,
        step: step.parse().ok()?,
        learning_rate: learning_rate.parse().ok()?,
        train_loss: train_loss.parse().ok()?,
        test_loss: test_loss.parse().ok()?,
        test_accuracy: test_accuracy.parse().ok()?,
        images_per_second: images_per_second.parse().ok()?,
    })
}

/// Writes the table as a whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, rows: &[MetricsRow]) -> Result<()> {
    let mut text = format!("{HEADER}\n");
    for r in rows {
        text += &format!(
            "{},{},{:.6e},{:.6},{:.6},{:.6},{:.1}\n",
            r.epoch, r.step, r.learning_rate, r.train_loss, r.test_loss, r.test_accuracy, r.images_per_second
        );
    }
    write_atomically(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: MetricsRow = MetricsRow {
        epoch: 1,
        step: 468,
        learning_rate: 4e-3,
        train_loss: 0.75,
        test_loss: 0.5,
        test_accuracy: 0.875,
        images_per_second: 1000.0,
    };

    #[test]
    fn a_table_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        assert_eq!(read(&path).unwrap(), []);
        write(&path, &[ROW, MetricsRow { epoch: 2, ..ROW }]).unwrap();
        assert_eq!(read(&path).unwrap(), [ROW, MetricsRow { epoch: 2, ..ROW }]);
    }

    #[test]
    fn a_damaged_table_names_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        std::fs::write(&path, format!("{HEADER}\n1,2,3\n")).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("line 2"));
    }
}
