//! The curves of a run for TensorBoard: one event file in the run's folder per start of the run.
//!
//! Each record of a file is an `Event` (`event.proto`, `summary.proto`). A killed process may leave half a
//! record at the end of its file, so a resumed run starts a new file, which sorts after the others. The steps
//! after its checkpoint are taken again; the `START` at the top of the file makes TensorBoard drop the
//! earlier records of these steps.

mod records;

use crate::error::{Result, TrainError};
use crate::observer::{EvaluationReport, StepReport};
use records::{Message, record};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Prefix of the files' names that TensorBoard looks for.
pub const PREFIX: &str = "events.out.tfevents.";

/// Steps between records: a week of training takes a few megabytes.
const EVERY: u64 = 50;

/// The event file of a run in progress.
#[derive(Debug)]
pub struct EventLog {
    path: PathBuf,
    file: File,
    /// Length of all complete records, in bytes.
    len: u64,
    /// The first failure to write a record; reported at the end, since a log is not worth stopping for.
    failure: Option<std::io::Error>,
    /// The step from which images/s are counted, and its time.
    since: (u64, Instant),
}

impl EventLog {
    /// Creates a file in the run's folder, for a run that continues after this step.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(folder: &Path, step: u64) -> Result<EventLog> {
        let refuse = |path: &Path, source| TrainError::Io {
            action: "write",
            path: path.to_owned(),
            source,
            consequence: "",
        };
        // TensorBoard reads files in the order of their names, so the name must not depend on a clock that
        // was set back.
        let newest = newest(folder).map_err(|source| refuse(folder, source))?;
        let mut number = newest.map_or(0, |newest| newest + 1).max(now() as u64);
        let (path, file) = loop {
            let path = folder.join(format!("{PREFIX}{number:010}.pelk"));
            match File::options().append(true).create_new(true).open(&path) {
                Ok(file) => break (path, file),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(refuse(&path, error)),
            }
        };
        let mut log = EventLog { path, file, len: 0, failure: None, since: (step, Instant::now()) };
        let version = Message::default().bytes(field::VERSION, b"brain.Event:2");
        let start = Message::default().varint(field::STATUS, field::START);
        log.add(0, version);
        // TensorBoard drops earlier records of this step and later ones.
        log.add(step + 1, Message::default().bytes(field::SESSION_LOG, &start.0));
        match log.failure.take() {
            None => Ok(log),
            Some(error) => Err(refuse(&log.path, error)),
        }
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records a step; only one in 50 is written.
    pub fn step(&mut self, report: &StepReport) {
        let step = report.step;
        if !step.is_multiple_of(EVERY) {
            return;
        }
        let (first, start) = std::mem::replace(&mut self.since, (step, Instant::now()));
        let images = (step - first) as f64 * report.images as f64;
        let mut scalars = vec![("train/loss".to_owned(), report.loss)];
        scalars.extend(tagged("train", &report.detail.named()));
        scalars.extend(tagged(
            "train",
            &[
                ("learning_rate", Some(report.learning_rate)),
                ("gradient_norm", Some(report.gradient_norm)),
                ("images_per_second", Some(images / start.elapsed().as_secs_f64().max(1e-9))),
            ],
        ));
        self.scalars(step, &scalars);
    }

    /// Records an evaluation.
    pub fn evaluation(&mut self, report: &EvaluationReport<'_>) {
        let row = &report.row;
        let mut scalars: Vec<_> = tagged("test", &row.test.named()).collect();
        scalars.extend(tagged(
            "test",
            &[
                ("learning_rate", Some(row.learning_rate)),
                ("mean_train_loss", row.train_loss),
                ("nonzeros", Some(row.nonzeros as f64)),
            ],
        ));
        scalars.extend(tagged("ema", &row.ema.map_or(Vec::new(), |scores| scores.named())));
        for group in report.evaluation.groups() {
            let scores = group.named().into_iter();
            scalars.extend(scores.map(|(score, value)| (format!("test/{score}/{}", group.name), value)));
        }
        self.scalars(row.step, &scalars);
        // The time of the evaluation does not count toward the speed of training.
        self.since = (row.step, Instant::now());
    }

    /// Reports the first failure, if there was one.
    ///
    /// # Errors
    /// When a record could not be written.
    pub fn close(self) -> Result<()> {
        let EventLog { path, failure, .. } = self;
        let consequence = "; TensorBoard's curves have gaps, everything else was saved";
        failure.map_or(Ok(()), |source| Err(TrainError::Io { action: "write", path, source, consequence }))
    }

    /// Records values; those that were not measured are left out, as gaps in their curves.
    fn scalars(&mut self, step: u64, scalars: &[(String, Option<f64>)]) {
        let mut summary = Message::default();
        for (tag, value) in scalars {
            let Some(value) = value else { continue };
            let value =
                Message::default().bytes(field::TAG, tag.as_bytes()).float(field::VALUE, *value as f32);
            summary = summary.bytes(field::VALUES, &value.0);
        }
        self.add(step, Message::default().bytes(field::SUMMARY, &summary.0));
    }

    /// Appends a record as a whole; on failure, removes the part that was written.
    fn add(&mut self, step: u64, what: Message) {
        let event = Message::default().double(field::TIME, now()).varint(field::STEP, step);
        let record = record(&[event.0, what.0].concat());
        let written = self.file.write_all(&record);
        match written {
            Ok(()) => self.len += record.len() as u64,
            Err(error) => {
                self.failure.get_or_insert(error);
                // If this fails too, readers stop at the partial record, and the run itself is unharmed.
                let _ = self.file.set_len(self.len);
            }
        }
    }
}

/// The values with their tags.
fn tagged(
    prefix: &str,
    named: &[(&'static str, Option<f64>)],
) -> impl Iterator<Item = (String, Option<f64>)> {
    named.iter().map(move |(name, value)| (format!("{prefix}/{name}"), *value))
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// The highest number of the event files in a folder.
fn newest(folder: &Path) -> std::io::Result<Option<u64>> {
    let mut newest = None;
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix(PREFIX).and_then(|rest| rest.split('.').next()?.parse().ok());
        newest = newest.max(number);
    }
    Ok(newest)
}

/// Field numbers of the messages.
mod field {
    /// Of `Event`.
    pub const TIME: u64 = 1;
    pub const STEP: u64 = 2;
    pub const VERSION: u64 = 3;
    pub const SUMMARY: u64 = 5;
    pub const SESSION_LOG: u64 = 7;
    /// Of `Summary`.
    pub const VALUES: u64 = 1;
    /// Of `Summary.Value`.
    pub const TAG: u64 = 1;
    pub const VALUE: u64 = 2;
    /// Of `SessionLog`, and the value that marks a start.
    pub const STATUS: u64 = 1;
    pub const START: u64 = 1;
}

#[cfg(test)]
mod tests {
    use super::records::reading::{Value, fields, records};
    use super::*;
    use crate::confusion::Confusion;
    use crate::evaluate::{Evaluation, GroupResult, GroupScores, LabelEvaluation};
    use crate::metrics::{LabelScores, MetricsRow, Scores};
    use crate::observer::StepDetail;
    use std::time::Duration;

    fn scores(values: [f64; 4]) -> Scores {
        let [loss, accuracy, top5_accuracy, mean_iou] = values.map(Some);
        Scores::Labels(LabelScores { loss, accuracy, top5_accuracy, mean_iou })
    }

    /// Tags, steps and values of a file's scalars.
    fn scalars(path: &Path) -> Vec<(String, u64, f32)> {
        let (records, torn) = records(&std::fs::read(path).unwrap());
        assert!(!torn);
        let mut scalars = Vec::new();
        for event in records.iter().map(|record| fields(record)) {
            let [(1, Value::Double(time)), (2, Value::Number(step)), (what, Value::Bytes(bytes))] =
                &event[..]
            else {
                panic!("{event:?}")
            };
            assert!(*time > 1.7e9, "{time} is before this test was written");
            for (_, value) in if *what == 5 { fields(bytes) } else { vec![] } {
                let Value::Bytes(value) = value else { panic!("{value:?}") };
                let [(1, Value::Bytes(tag)), (2, Value::Float(value))] = &fields(&value)[..] else {
                    panic!("{value:?}")
                };
                scalars.push((String::from_utf8(tag.clone()).unwrap(), *step, *value));
            }
        }
        scalars
    }

    fn report(step: u64) -> StepReport {
        StepReport {
            step,
            total_steps: 1000,
            epoch: 1,
            loss: Some(1.0 / step as f64),
            gradient_norm: f64::INFINITY,
            skipped: false,
            detail: StepDetail::Accuracy(Some(0.5)),
            learning_rate: 1e-3,
            images: 8,
            time: Duration::from_millis(10),
            waited: Duration::ZERO,
        }
    }

    #[test]
    fn a_file_says_its_version_where_it_starts_and_every_scalar() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = EventLog::create(folder.path(), 300).unwrap();
        (301..=400).for_each(|step| log.step(&report(step)));
        let row = MetricsRow {
            epoch: 2,
            step: 410,
            learning_rate: 0.25,
            train_loss: Some(0.75),
            test: scores([0.5, 0.875, 1.0, 0.625]),
            ema: Some(scores([0.25, 0.9375, 1.0, 0.75])),
            nonzeros: 77,
            images_per_second: 9.0,
        };
        let groups =
            vec![GroupResult { name: "far".into(), count: 4, scores: GroupScores::Labels { correct: 3 } }];
        let confusion = Confusion::new(2);
        let evaluation = Evaluation::Labels(LabelEvaluation {
            loss: Some(0.5),
            top5_accuracy: Some(1.0),
            confusion,
            groups,
        });
        let report = EvaluationReport { row, evaluation: &evaluation, ema: None, best: None, best_ema: None };
        log.evaluation(&report);
        let path = log.path().to_owned();
        log.close().unwrap();

        let (records, _) = records(&std::fs::read(&path).unwrap());
        assert_eq!(fields(&records[0])[2], (3, Value::Bytes(b"brain.Event:2".to_vec())));
        assert_eq!(fields(&records[1])[1..], [(2, Value::Number(301)), (7, Value::Bytes(vec![8, 1]))]);
        let scalars = scalars(&path);
        let of = |tag: &str| -> Vec<(u64, f32)> {
            scalars.iter().filter(|(name, ..)| name == tag).map(|&(_, step, value)| (step, value)).collect()
        };
        assert_eq!(of("train/loss"), [(350, 1.0 / 350.0), (400, 1.0 / 400.0)]);
        assert_eq!(of("train/gradient_norm")[0].1, f32::INFINITY);
        assert_eq!(of("train/learning_rate")[1], (400, 1e-3));
        assert!(of("train/images_per_second").iter().all(|(_, speed)| *speed > 0.0));
        for (tag, value) in [
            ("test/loss", 0.5),
            ("test/accuracy", 0.875),
            ("test/top5_accuracy", 1.0),
            ("test/mean_iou", 0.625),
            ("test/learning_rate", 0.25),
            ("test/mean_train_loss", 0.75),
            ("test/accuracy/far", 0.75),
            ("test/nonzeros", 77.0),
            ("ema/loss", 0.25),
            ("ema/accuracy", 0.9375),
            ("ema/mean_iou", 0.75),
        ] {
            assert_eq!(of(tag), [(410, value)], "{tag}");
        }
        assert_eq!(scalars.len(), 2 * 5 + 12);
    }

    #[test]
    fn what_was_not_measured_leaves_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = EventLog::create(folder.path(), 0).unwrap();
        log.step(&StepReport { loss: None, detail: StepDetail::Accuracy(None), ..report(50) });
        let nothing = LabelScores { loss: None, accuracy: None, top5_accuracy: None, mean_iou: None };
        let row = MetricsRow {
            epoch: 1,
            step: 60,
            learning_rate: 0.25,
            train_loss: None,
            test: Scores::Labels(nothing),
            ema: None,
            nonzeros: 77,
            images_per_second: 9.0,
        };
        let groups =
            vec![GroupResult { name: "far".into(), count: 0, scores: GroupScores::Labels { correct: 0 } }];
        let confusion = Confusion::new(2);
        let evaluation =
            Evaluation::Labels(LabelEvaluation { loss: None, top5_accuracy: None, confusion, groups });
        log.evaluation(&EvaluationReport {
            row,
            evaluation: &evaluation,
            ema: None,
            best: None,
            best_ema: None,
        });
        let path = log.path().to_owned();
        log.close().unwrap();
        let tags: Vec<String> = scalars(&path).into_iter().map(|(tag, ..)| tag).collect();
        let train = ["learning_rate", "gradient_norm", "images_per_second"].map(|tag| format!("train/{tag}"));
        let test = ["learning_rate", "nonzeros"].map(|tag| format!("test/{tag}"));
        assert_eq!(tags, [&train[..], &test[..]].concat());
    }

    #[test]
    fn each_start_has_a_file_that_sorts_behind_the_others_whatever_the_clock_says() {
        let folder = tempfile::tempdir().unwrap();
        let mut paths = vec![folder.path().join(format!("{PREFIX}9999999990.host"))];
        std::fs::write(&paths[0], "half a record").unwrap();
        for step in [0, 10] {
            paths.push(EventLog::create(folder.path(), step).unwrap().path().to_owned());
        }
        assert!(paths.is_sorted_by(|a, b| a < b), "{paths:?}");
        assert_eq!(std::fs::read(&paths[0]).unwrap(), b"half a record");
    }

    #[test]
    fn a_folder_that_takes_no_files_is_an_error_that_names_it() {
        let error = EventLog::create(Path::new("/no-such-folder"), 0).unwrap_err().to_string();
        assert!(error.contains("cannot write /no-such-folder"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_record_that_cannot_be_written_ends_nothing_and_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = EventLog::create(folder.path(), 0).unwrap();
        let good = std::mem::replace(&mut log.file, File::options().write(true).open("/dev/full").unwrap());
        log.step(&report(50));
        log.file = good;
        log.step(&report(100));
        let path = log.path().to_owned();
        let error = log.close().unwrap_err().to_string();
        assert!(error.contains("No space left") && error.contains("everything else was saved"), "{error}");
        let losses = scalars(&path).into_iter().filter(|(tag, ..)| tag == "train/loss");
        assert_eq!(losses.map(|(_, step, _)| step).collect::<Vec<_>>(), [100]);
    }
}
