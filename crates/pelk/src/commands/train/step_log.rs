//! The file of `--step-log`.

use crate::values::none;
use anyhow::{Context, Result, bail};
use pelk_train::{StepReport, write_atomically};
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Start and end of the heading; the names between them depend on what steps measure.
const FIRST: &str = "step,loss,gradient_norm,";
const LAST: &str = "learning_rate,seconds,waited";

/// A file with one line per step.
pub struct StepLog {
    path: PathBuf,
    file: BufWriter<File>,
    /// The heading that the file has; `None` if it is empty.
    heading: Option<String>,
    /// The first write error: reported at the end, since a log is no reason to stop.
    failure: Option<std::io::Error>,
}

impl StepLog {
    /// A new file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path) -> Result<StepLog> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(StepLog { path: path.to_owned(), file: BufWriter::new(file), heading: None, failure: None })
    }

    /// The file of a run that goes on after `step`: keeps the lines up to that step, and drops those of later
    /// steps, which are taken again. A file that does not exist is created.
    ///
    /// # Errors
    /// When the file is not a log of steps, or cannot be read or written.
    pub fn resume(path: &Path, step: u64) -> Result<StepLog> {
        let text = match std::fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return StepLog::create(path),
            text => text.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let kept = kept(&text, step).with_context(|| {
            format!("{} is not the log of this run's steps; name another file", path.display())
        })?;
        write_atomically(path, kept.as_bytes())?;
        let file = File::options().append(true).open(path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        let heading = kept.lines().next().map(str::to_owned);
        Ok(StepLog { path: path.to_owned(), file: BufWriter::new(file), heading, failure: None })
    }

    /// Adds a line.
    pub fn add(&mut self, report: &StepReport) {
        if self.failure.is_none() {
            self.failure = self.write(report).err();
        }
    }

    fn write(&mut self, report: &StepReport) -> std::io::Result<()> {
        let StepReport { step, loss, gradient_norm, detail, learning_rate, time, waited, .. } = report;
        let (seconds, waited) = (time.as_secs_f64(), waited.as_secs_f64());
        let field = |value: &Option<f64>| value.map_or_else(none, |value| value.to_string());
        let (names, details): (String, String) =
            detail.named().iter().map(|(name, value)| (format!("{name},"), field(value) + ",")).unzip();
        let loss = field(loss);
        let heading = format!("{FIRST}{names}{LAST}");
        match &self.heading {
            Some(found) if *found != heading => {
                return Err(std::io::Error::other(format!("it has the columns {found}, not {heading}")));
            }
            Some(_) => {}
            None => writeln!(self.file, "{heading}")?,
        }
        self.heading = Some(heading);
        writeln!(self.file, "{step},{loss},{gradient_norm},{details}{learning_rate},{seconds:.6},{waited:.6}")
    }

    /// Writes out what is buffered, before a checkpoint: what comes after it is dropped when the run resumes.
    pub fn flush(&mut self) {
        let flushed = self.file.flush();
        self.failure = self.failure.take().or(flushed.err());
    }

    /// Closes the file and reports the first failure, if any.
    ///
    /// # Errors
    /// When a line could not be written.
    pub fn close(mut self) -> Result<()> {
        self.flush();
        self.failure
            .take()
            .map_or(Ok(()), Err)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// The heading of a log, and its lines up to a step.
fn kept(text: &[u8], step: u64) -> Result<String> {
    // A killed process may have left half a line at the end, or nothing at all.
    let whole = &text[..text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)];
    let text = std::str::from_utf8(whole).context("it is not text")?;
    let mut lines = text.lines();
    let Some(heading) = lines.next() else { return Ok(String::new()) };
    if !(heading.starts_with(FIRST) && heading.ends_with(LAST)) {
        bail!("its first line is {:?}", heading.chars().take(80).collect::<String>());
    }
    let mut kept = format!("{heading}\n");
    let columns = heading.split(',').count();
    for (number, line) in lines.enumerate() {
        let found = line.split(',').next().and_then(|first| first.parse::<u64>().ok());
        match found {
            Some(found) if line.split(',').count() == columns => {
                if found <= step {
                    kept += line;
                    kept.push('\n');
                }
            }
            _ => bail!("its line {} does not belong to a step", number + 2),
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelk_train::StepDetail;
    use std::time::Duration;

    const HEADING: &str = "step,loss,gradient_norm,accuracy,learning_rate,seconds,waited\n";

    #[test]
    fn lines_up_to_the_checkpoint_are_kept_to_the_byte() {
        let line = |step: u64| format!("{step},1.5,2,0.25,0.001,0.010000,0.000000\n");
        let log =
            |steps: &[u64]| HEADING.to_owned() + &steps.iter().map(|&step| line(step)).collect::<String>();
        let after = |text: &str, step| kept(text.as_bytes(), step).unwrap();
        assert_eq!(after(&log(&[1, 2, 3, 4]), 2), log(&[1, 2]));
        assert_eq!(after(&log(&[1, 2]), 9), log(&[1, 2]));
        assert_eq!(after(&log(&[1, 2]), 0), HEADING);
        // Steps that were taken again after a restart without this option are missing, not wrong.
        assert_eq!(after(&log(&[1, 5, 6]), 5), log(&[1, 5]));
        for cut in 0..line(3).len() {
            assert_eq!(after(&(log(&[1, 2]) + &line(3)[..cut]), 3), log(&[1, 2]), "cut after {cut}");
        }
        assert_eq!(after(&HEADING[..20], 3), "");
        assert_eq!(after("", 3), "");
    }

    #[test]
    fn a_step_without_labels_has_none_and_stays_when_the_run_resumes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("steps.csv");
        let report = |step: u64, loss: Option<f64>| StepReport {
            step,
            total_steps: 9,
            epoch: 1,
            loss,
            gradient_norm: 0.0,
            skipped: false,
            detail: StepDetail::Accuracy(loss.map(|_| 0.5)),
            learning_rate: 0.25,
            images: 8,
            time: Duration::ZERO,
            waited: Duration::ZERO,
        };
        let mut log = StepLog::create(&path).unwrap();
        [report(1, Some(1.5)), report(2, None), report(3, None)].iter().for_each(|report| log.add(report));
        log.close().unwrap();
        StepLog::resume(&path, 2).unwrap().close().unwrap();
        let rows = "1,1.5,0,0.5,0.25,0.000000,0.000000\n2,none,0,none,0.25,0.000000,0.000000\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{HEADING}{rows}"));
    }

    #[test]
    fn other_files_are_refused_and_stay() {
        for (text, words) in [
            ("epoch,step\n1,2\n", "its first line is"),
            ("my notes\n", "my notes"),
            ("step,loss,gradient_norm,accuracy,learning_rate,seconds,waited\n1,2\n", "line 2"),
            ("step,loss,gradient_norm,accuracy,learning_rate,seconds,waited\n\n", "line 2"),
        ] {
            assert!(kept(text.as_bytes(), 9).unwrap_err().to_string().contains(words), "{text}");
        }
        assert!(kept(b"\xff\xfe\n", 9).is_err());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "my notes\n").unwrap();
        assert!(StepLog::resume(&path, 3).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "my notes\n");
    }
}
