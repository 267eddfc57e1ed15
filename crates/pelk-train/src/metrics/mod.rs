//! The tables of a run's evaluations: one row per evaluation, and one per evaluation and group.

mod groups;
mod table;

pub use groups::{GroupRow, read_groups, write_groups};

use crate::atomic::write_atomically;
use crate::error::Result;
use crate::evaluate::{Evaluation, ObjectEvaluation};
use std::path::Path;

/// The metric by which networks are chosen and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// The share of labels classified correctly, for classes of whole images or of coarse squares.
    Accuracy,
    /// The mean intersection over union, for classes of pixels.
    MeanIou,
    /// The average precision of boxes, for objects.
    BoxAp,
}

impl Metric {
    /// Its name in sentences.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Accuracy => "accuracy",
            Metric::MeanIou => "mIoU",
            Metric::BoxAp => "box AP",
        }
    }

    /// Its name at the beginning of a title.
    pub fn title(self) -> &'static str {
        match self {
            Metric::Accuracy => "Accuracy",
            Metric::MeanIou => "mIoU",
            Metric::BoxAp => "Box AP",
        }
    }

    /// Its value in an evaluation, from 0 to 1; `None` where nothing was counted, or the evaluation does not
    /// measure it.
    pub fn of(self, scores: &Scores) -> Option<f64> {
        match (self, scores) {
            (Metric::Accuracy, Scores::Labels(scores)) => scores.accuracy,
            (Metric::MeanIou, Scores::Labels(scores)) => scores.mean_iou,
            (Metric::BoxAp, Scores::Objects(scores)) => scores.box_ap,
            _ => None,
        }
    }
}

/// The results of an evaluation: of a network that classifies images or pixels, or of a detector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scores {
    /// Of labels.
    Labels(LabelScores),
    /// Of objects.
    Objects(ObjectScores),
}

/// The results of an evaluation of labels; `None` where no label counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelScores {
    /// Mean cross-entropy.
    pub loss: Option<f64>,
    /// Share of labels classified correctly.
    pub accuracy: Option<f64>,
    /// Share of labels among the five highest logits.
    pub top5_accuracy: Option<f64>,
    /// Mean intersection over union of the classes.
    pub mean_iou: Option<f64>,
}

/// The results of an evaluation of objects, by COCO's rules: average precision over overlaps from 0.5 to 0.95,
/// at 0.5, and at 0.75, from 0 to 1; `None` where there is no object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ObjectScores {
    /// Of boxes.
    pub box_ap: Option<f64>,
    /// Of boxes at an overlap of 0.5.
    pub box_ap50: Option<f64>,
    /// Of boxes at an overlap of 0.75.
    pub box_ap75: Option<f64>,
    /// Of masks.
    pub mask_ap: Option<f64>,
    /// Of masks at an overlap of 0.5.
    pub mask_ap50: Option<f64>,
    /// Of masks at an overlap of 0.75.
    pub mask_ap75: Option<f64>,
}

const LABELS: &[&str] = &["loss", "accuracy", "top5_accuracy", "mean_iou"];
const OBJECTS: &[&str] = &["box_ap", "box_ap50", "box_ap75", "mask_ap", "mask_ap50", "mask_ap75"];

impl Scores {
    /// The scores of an evaluation.
    pub fn of(evaluation: &Evaluation) -> Scores {
        match evaluation {
            Evaluation::Labels(labels) => Scores::Labels(LabelScores {
                loss: labels.loss,
                accuracy: labels.confusion.accuracy(),
                top5_accuracy: labels.top5_accuracy,
                mean_iou: labels.confusion.mean_iou(),
            }),
            Evaluation::Objects(ObjectEvaluation { boxes, masks, .. }) => {
                let [box_ap, box_ap50, box_ap75] =
                    [None, Some(0.5), Some(0.75)].map(|iou| ObjectEvaluation::precision(boxes, iou));
                let [mask_ap, mask_ap50, mask_ap75] =
                    [None, Some(0.5), Some(0.75)].map(|iou| ObjectEvaluation::precision(masks, iou));
                Scores::Objects(ObjectScores { box_ap, box_ap50, box_ap75, mask_ap, mask_ap50, mask_ap75 })
            }
        }
    }

    /// The loss; `None` where no label counts. A detector's evaluation does not compute it.
    pub fn loss(&self) -> Option<f64> {
        match self {
            Scores::Labels(scores) => scores.loss,
            Scores::Objects(_) => None,
        }
    }

    /// The scores with their names in tables, in the order of the columns.
    pub fn named(&self) -> Vec<(&'static str, Option<f64>)> {
        match *self {
            Scores::Labels(LabelScores { loss, accuracy, top5_accuracy, mean_iou }) => {
                LABELS.iter().copied().zip([loss, accuracy, top5_accuracy, mean_iou]).collect()
            }
            Scores::Objects(ObjectScores { box_ap, box_ap50, box_ap75, mask_ap, mask_ap50, mask_ap75 }) => {
                let values = [box_ap, box_ap50, box_ap75, mask_ap, mask_ap50, mask_ap75];
                OBJECTS.iter().copied().zip(values).collect()
            }
        }
    }

    /// The scores that a row of a table has under `names`.
    fn parse(names: &[&str], fields: &[&str]) -> Option<Scores> {
        let values: Option<Vec<Option<f64>>> = fields.iter().map(|field| table::value(field)).collect();
        match (&values?[..], names == OBJECTS) {
            (&[loss, accuracy, top5_accuracy, mean_iou], false) => {
                Some(Scores::Labels(LabelScores { loss, accuracy, top5_accuracy, mean_iou }))
            }
            (&[box_ap, box_ap50, box_ap75, mask_ap, mask_ap50, mask_ap75], true) => {
                let scores = ObjectScores { box_ap, box_ap50, box_ap75, mask_ap, mask_ap50, mask_ap75 };
                Some(Scores::Objects(scores))
            }
            _ => None,
        }
    }

    fn fields(&self) -> String {
        let fields: Vec<_> = self.named().iter().map(|(_, value)| table::field(*value)).collect();
        fields.join(",")
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
    /// Mean training loss since the previous evaluation, with label smoothing; `None` if no label counted.
    pub train_loss: Option<f64>,
    /// Scores of the network on the test images.
    pub test: Scores,
    /// Scores of its averaged weights on the test images, if weights are averaged.
    pub ema: Option<Scores>,
    /// Number of trained values that are not masked.
    pub nonzeros: u64,
    /// Training speed, without evaluation.
    pub images_per_second: f64,
}

/// The first line of a table of evaluations with these scores.
fn header(scores: &[&str]) -> String {
    let of = |prefix: &str| scores.iter().map(|name| format!("{prefix}_{name},")).collect::<String>();
    format!("epoch,step,learning_rate,train_loss,{}{}nonzeros,images_per_second", of("test"), of("ema"))
}

/// Reads a table of evaluations; a missing file counts as an empty table.
///
/// # Errors
/// When the file cannot be read, or a line is not a row of this table.
pub fn read(path: &Path) -> Result<Vec<MetricsRow>> {
    table::read(path, &[&header(LABELS), &header(OBJECTS)], |first, fields| {
        let names = if first == header(OBJECTS) { OBJECTS } else { LABELS };
        let &[epoch, step, learning_rate, train_loss, ref scores @ .., nonzeros, speed] = fields else {
            return None;
        };
        let (test, ema) = scores.split_at_checked(names.len())?;
        let has_ema = ema.iter().any(|field| !field.is_empty());
        Some(MetricsRow {
            epoch: epoch.parse().ok()?,
            step: step.parse().ok()?,
            learning_rate: learning_rate.parse().ok()?,
            train_loss: table::value(train_loss)?,
            test: Scores::parse(names, test)?,
            ema: if has_ema || ema.len() != names.len() { Some(Scores::parse(names, ema)?) } else { None },
            nonzeros: nonzeros.parse().ok()?,
            images_per_second: speed.parse().ok()?,
        })
    })
}

/// Writes a table of evaluations as a whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, rows: &[MetricsRow]) -> Result<()> {
    let names = rows.first().map_or(LABELS, |row| match row.test {
        Scores::Labels(_) => LABELS,
        Scores::Objects(_) => OBJECTS,
    });
    let mut text = header(names) + "\n";
    for r in rows {
        text += &format!(
            "{},{},{:.6e},{},{},{},{},{:.3}\n",
            r.epoch,
            r.step,
            r.learning_rate,
            table::field(r.train_loss),
            r.test.fields(),
            r.ema.map_or(",".repeat(names.len() - 1), |scores| scores.fields()),
            r.nonzeros,
            r.images_per_second
        );
    }
    write_atomically(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL_SCORES: LabelScores = LabelScores {
        loss: Some(0.5),
        accuracy: Some(0.875),
        top5_accuracy: Some(1.0),
        mean_iou: Some(0.75),
    };

    const ROW: MetricsRow = MetricsRow {
        epoch: 1,
        step: 468,
        learning_rate: 4e-3,
        train_loss: Some(0.75),
        test: Scores::Labels(LABEL_SCORES),
        ema: None,
        nonzeros: 1234,
        images_per_second: 1000.0,
    };

    #[test]
    fn a_table_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        assert_eq!(read(&path).unwrap(), []);
        let averaged = Scores::Labels(LabelScores { loss: Some(0.25), ..LABEL_SCORES });
        let averaged = MetricsRow { epoch: 2, ema: Some(averaged), ..ROW };
        write(&path, &[ROW, averaged]).unwrap();
        assert_eq!(read(&path).unwrap(), [ROW, averaged]);
        let objects = Scores::Objects(ObjectScores {
            box_ap: Some(0.5),
            box_ap50: Some(0.75),
            box_ap75: Some(0.625),
            mask_ap: None,
            mask_ap50: Some(0.0),
            mask_ap75: Some(1.0),
        });
        let [plain, averaged] = [None, Some(objects)].map(|ema| MetricsRow { test: objects, ema, ..ROW });
        write(&path, &[plain, averaged]).unwrap();
        assert_eq!(read(&path).unwrap(), [plain, averaged]);
    }

    #[test]
    fn what_was_not_measured_is_none_and_so_is_what_earlier_versions_wrote_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let nothing = LabelScores { loss: None, accuracy: None, top5_accuracy: None, mean_iou: None };
        let row = MetricsRow { train_loss: None, test: Scores::Labels(nothing), ..ROW };
        write(&path, &[row]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(",none,none,none,none,none,,,,,"), "{text}");
        assert_eq!(read(&path).unwrap(), [row]);
        assert_eq!(Metric::MeanIou.of(&row.test), None);
        let old = "1,468,4e-3,0.75,-1.000000,0.5,NaN,0.000000,0.5,0.5,,,,,,,1234,1000.0";
        std::fs::write(&path, format!("{}\n{old}\n", header(OBJECTS))).unwrap();
        let Scores::Objects(scores) = read(&path).unwrap()[0].test else { panic!("of objects") };
        assert_eq!([scores.box_ap, scores.box_ap75, scores.mask_ap], [None, None, Some(0.0)]);
    }

    #[test]
    fn a_damaged_table_names_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        for row in ["1,2,3", "1,2,0.1,0.5,1,1,1,1,0.5,,,,7,8", "1,2,0.1,0.5,1,1,1,1,,,,,,7,8"] {
            std::fs::write(&path, format!("{}\n{row}\n", header(LABELS))).unwrap();
            assert!(read(&path).unwrap_err().to_string().contains("line 2"), "{row}");
        }
        std::fs::write(&path, "epoch,step\n1,2\n").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("first line"));
    }
}
