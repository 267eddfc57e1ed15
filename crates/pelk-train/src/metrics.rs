//! The tables of a run's evaluations: one row per evaluation, and one per evaluation and group of labels.

use crate::atomic::write_atomically;
use crate::error::{Result, TrainError};
use crate::evaluate::{Evaluation, GroupAccuracy};
use std::path::Path;
use std::str::FromStr;

/// The metric by which networks are chosen and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// The share of labels classified correctly, for classes of whole images or of coarse squares.
    Accuracy,
    /// The mean intersection over union, for classes of pixels.
    MeanIou,
}

impl Metric {
    /// Its name in sentences.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Accuracy => "accuracy",
            Metric::MeanIou => "mIoU",
        }
    }

    /// Its name at the beginning of a title.
    pub fn title(self) -> &'static str {
        match self {
            Metric::Accuracy => "Accuracy",
            Metric::MeanIou => "mIoU",
        }
    }

    /// Its value in an evaluation, from 0 to 1.
    pub fn of(self, scores: &Scores) -> f64 {
        match self {
            Metric::Accuracy => scores.accuracy,
            Metric::MeanIou => scores.mean_iou,
        }
    }
}

/// The results of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Mean cross-entropy.
    pub loss: f64,
    /// Share of labels classified correctly.
    pub accuracy: f64,
    /// Share of labels among the five highest logits.
    pub top5_accuracy: f64,
    /// Mean intersection over union of the classes.
    pub mean_iou: f64,
}

impl Scores {
    /// The scores of an evaluation.
    pub fn of(evaluation: &Evaluation) -> Scores {
        Scores {
            loss: evaluation.loss,
            accuracy: evaluation.confusion.accuracy(),
            top5_accuracy: evaluation.top5_accuracy,
            mean_iou: evaluation.confusion.mean_iou(),
        }
    }

    fn parse(fields: [&str; 4]) -> Option<Scores> {
        let [loss, accuracy, top5_accuracy, mean_iou] = fields.map(|field| f64::from_str(field).ok());
        Some(Scores { loss: loss?, accuracy: accuracy?, top5_accuracy: top5_accuracy?, mean_iou: mean_iou? })
    }

    fn fields(&self) -> String {
        let Scores { loss, accuracy, top5_accuracy, mean_iou } = self;
        format!("{loss:.6},{accuracy:.6},{top5_accuracy:.6},{mean_iou:.6}")
    }
}

/// One evaluation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricsRow {
    /// Epoch of the evaluation, from 1.
    pub epoch: u64,
    /// Steps taken.
    pub step: u64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Mean training loss since the previous evaluation, with label smoothing.
    pub train_loss: f64,
    /// Scores of the network on the test images.
    pub test: Scores,
    /// Scores of its averaged weights on the test images, if weights are averaged.
    pub ema: Option<Scores>,
    /// Number of trained values that are not masked.
    pub nonzeros: u64,
    /// Training speed, without evaluation.
    pub images_per_second: f64,
}

/// One group of labels in one evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupRow {
    /// Epoch of the evaluation, from 1.
    pub epoch: u64,
    /// Steps taken.
    pub step: u64,
    /// Results of the group.
    pub group: GroupAccuracy,
}

const HEADER: &str = "epoch,step,learning_rate,train_loss,\
    test_loss,test_accuracy,test_top5_accuracy,test_mean_iou,\
    ema_loss,ema_accuracy,ema_top5_accuracy,ema_mean_iou,nonzeros,images_per_second";
const GROUP_HEADER: &str = "epoch,step,group,labels,correct,accuracy";
/// The header of earlier versions.
const OLD_GROUP_HEADER: &str = "epoch,step,group,labels,right,accuracy";

/// Reads a table of evaluations; a missing file counts as an empty table.
///
/// # Errors
/// When the file cannot be read, or a line is not a row of this table.
pub fn read(path: &Path) -> Result<Vec<MetricsRow>> {
    read_table(path, &[HEADER], |fields| {
        let &[epoch, step, learning_rate, train_loss, ref scores @ .., nonzeros, speed] = fields else {
            return None;
        };
        let &[a, b, c, d, ref ema @ ..] = scores else { return None };
        let ema = match ema {
            ["", "", "", ""] => None,
            &[a, b, c, d] => Some(Scores::parse([a, b, c, d])?),
            _ => return None,
        };
        Some(MetricsRow {
            epoch: epoch.parse().ok()?,
            step: step.parse().ok()?,
            learning_rate: learning_rate.parse().ok()?,
            train_loss: train_loss.parse().ok()?,
            test: Scores::parse([a, b, c, d])?,
            ema,
            nonzeros: nonzeros.parse().ok()?,
            images_per_second: speed.parse().ok()?,
        })
    })
}

/// Reads a table of groups; a missing file counts as an empty table.
///
/// # Errors
/// Same as [`read`].
pub fn read_groups(path: &Path) -> Result<Vec<GroupRow>> {
    read_table(path, &[GROUP_HEADER, OLD_GROUP_HEADER], |fields| {
        let &[epoch, step, name, labels, correct, _] = fields else { return None };
        let name = name.to_owned();
        let group = GroupAccuracy { name, labels: labels.parse().ok()?, correct: correct.parse().ok()? };
        Some(GroupRow { epoch: epoch.parse().ok()?, step: step.parse().ok()?, group })
    })
}

/// The rows of a table whose first line is one of `headers`.
fn read_table<R>(path: &Path, headers: &[&str], parse: impl Fn(&[&str]) -> Option<R>) -> Result<Vec<R>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(TrainError::read(path, error)),
    };
    let mut lines = text.lines();
    if lines.next().is_none_or(|header| !headers.contains(&header)) {
        let header = headers[0];
        let reason = format!("its first line is not {header:?}; move the file away to continue without it");
        return Err(TrainError::Metrics { path: path.to_owned(), reason });
    }
    let row = |(i, line): (usize, &str)| {
        parse(&line.split(',').collect::<Vec<_>>()).ok_or_else(|| TrainError::Metrics {
            path: path.to_owned(),
            reason: format!("line {} is not a row of metrics: {line:?}", i + 2),
        })
    };
    lines.enumerate().map(row).collect()
}

/// Writes a table of evaluations as a whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, rows: &[MetricsRow]) -> Result<()> {
    let mut text = format!("{HEADER}\n");
    for r in rows {
        text += &format!(
            "{},{},{:.6e},{:.6},{},{},{},{:.1}\n",
            r.epoch,
            r.step,
            r.learning_rate,
            r.train_loss,
            r.test.fields(),
            r.ema.map_or(",,,".to_owned(), |scores| scores.fields()),
            r.nonzeros,
            r.images_per_second
        );
    }
    write_atomically(path, text.as_bytes())
}

/// Writes a table of groups as a whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write_groups(path: &Path, rows: &[GroupRow]) -> Result<()> {
    let mut text = format!("{GROUP_HEADER}\n");
    for GroupRow { epoch, step, group } in rows {
        let GroupAccuracy { name, labels, correct } = group;
        text += &format!("{epoch},{step},{name},{labels},{correct},{:.6}\n", group.accuracy());
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
        test: Scores { loss: 0.5, accuracy: 0.875, top5_accuracy: 1.0, mean_iou: 0.75 },
        ema: None,
        nonzeros: 1234,
        images_per_second: 1000.0,
    };

    #[test]
    fn a_table_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        assert_eq!(read(&path).unwrap(), []);
        let averaged = MetricsRow { epoch: 2, ema: Some(Scores { loss: 0.25, ..ROW.test }), ..ROW };
        write(&path, &[ROW, averaged]).unwrap();
        assert_eq!(read(&path).unwrap(), [ROW, averaged]);
    }

    #[test]
    fn a_table_of_groups_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groups.csv");
        assert_eq!(read_groups(&path).unwrap(), []);
        let row = |name: &str, correct| GroupRow {
            epoch: 2,
            step: 40,
            group: GroupAccuracy { name: name.into(), labels: 12, correct },
        };
        write_groups(&path, &[row("d1", 9), row("d2", 3)]).unwrap();
        assert_eq!(read_groups(&path).unwrap(), [row("d1", 9), row("d2", 3)]);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("2,40,d1,12,9,0.75"));
        std::fs::write(&path, text.replacen(GROUP_HEADER, OLD_GROUP_HEADER, 1)).unwrap();
        assert_eq!(read_groups(&path).unwrap(), [row("d1", 9), row("d2", 3)], "of an earlier version");
    }

    #[test]
    fn a_damaged_table_names_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        std::fs::write(&path, format!("{HEADER}\n1,2,3\n")).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("line 2"));
        std::fs::write(&path, format!("{GROUP_HEADER}\n1,2,d1,many,3,0.5\n")).unwrap();
        assert!(read_groups(&path).unwrap_err().to_string().contains("line 2"));
        assert!(read(&path).unwrap_err().to_string().contains("first line"));
    }
}
