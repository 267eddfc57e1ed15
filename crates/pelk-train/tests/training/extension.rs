//! Runs that go on after they have ended.

use crate::common::{Recorder, config, restored, trainer};
use pelk_train::{Checkpoint, Limits, Outcome, TrainConfig};

/// A run of this number of steps that is measured after every third one and at the end.
fn of_length(steps: u64) -> TrainConfig {
    config(&[&format!("schedule.steps={steps}"), "schedule.evaluate_every=3"])
}

fn extend(recorder: &mut Recorder, steps: u64) {
    let mut trainer = restored(of_length(steps), &recorder.last()).unwrap();
    assert_eq!(trainer.run(Limits::default(), recorder).unwrap(), Outcome::Finished);
}

/// Checks that the loss of each row is the mean over the steps since the row before.
fn assert_means(recorder: &Recorder, measured: &[u64]) {
    assert_eq!(recorder.rows.iter().map(|row| row.step).collect::<Vec<_>>(), measured);
    let mut before = 0;
    for row in &recorder.rows {
        let steps = &recorder.reports[before..row.step as usize];
        let sum: f64 = steps.iter().map(|report| report.loss.unwrap()).sum();
        assert_eq!(row.train_loss, Some(sum / steps.len() as f64), "steps {before} to {}", row.step);
        before = row.step as usize;
    }
}

#[test]
fn the_loss_of_an_extended_run_is_a_mean_over_its_steps() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(folder.path());
    trainer(of_length(10)).run(Limits::default(), &mut recorder).unwrap();
    extend(&mut recorder, 11);
    extend(&mut recorder, 16);
    assert_means(&recorder, &[3, 6, 9, 10, 11, 12, 15, 16]);
}

#[test]
fn a_run_that_an_earlier_version_ended_is_extended_alike() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(folder.path());
    trainer(of_length(11)).run(Limits::default(), &mut recorder).unwrap();
    let mut checkpoint = Checkpoint::read(&recorder.last()).unwrap();
    checkpoint.description.training.as_mut().unwrap().uncounted_steps = 0;
    checkpoint.write(&recorder.last()).unwrap();
    extend(&mut recorder, 13);
    assert_means(&recorder, &[3, 6, 9, 11, 12, 13]);
}

#[test]
fn an_evaluation_that_was_due_at_the_former_end_counts_its_own_steps() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(folder.path());
    // 17 images in batches of 7, of the network and of its average: stopped in the evaluation after step 11.
    recorder.stop_in_evaluation = Some(3 * 6 + 1);
    let outcome = trainer(of_length(11)).run(Limits::default(), &mut recorder).unwrap();
    assert_eq!((outcome, recorder.rows.len()), (Outcome::Stopped, 3));
    recorder.stop_in_evaluation = None;
    extend(&mut recorder, 14);
    assert_means(&recorder, &[3, 6, 9, 11, 12, 14]);
}
