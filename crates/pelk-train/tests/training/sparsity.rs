//! Properties of the weights during sparse training.

use crate::common::{Recorder, config, restored, train, trainer, up_to};
use pelk_autodiff::Role;
use pelk_train::{Checkpoint, Limits};
use std::collections::BTreeSet;

/// Masks that change before and after an evaluation.
const SETTINGS: [&str; 2] = ["sparsity.update_every=4", "schedule.epochs=2"];

#[test]
fn absent_weights_are_zero_and_masks_lie_over_weights_only() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = train(config(&[&SETTINGS[..], &["optimizer.algorithm=sgd"]].concat()), folder.path(), 7);
    let checkpoint = Checkpoint::read(&recorder.last()).unwrap();
    let specs = trainer(config(&SETTINGS)).network().parameters().unwrap();
    let weights: BTreeSet<&str> =
        specs.iter().filter(|spec| spec.role == Role::Weight).map(|spec| spec.name.as_str()).collect();
    assert!(checkpoint.masks.keys().all(|name| weights.contains(name.as_str())));
    // Theta of a peripheral kernel, a dense kernel, matrices.
    for name in ["stages.1.0.large.weight", "stages.0.0.small.weight", "stages.0.0.pwconv1.weight"] {
        assert!(checkpoint.masks.contains_key(name), "{name}");
    }
    for (name, mask) in &checkpoint.masks {
        for prefix in ["", "ema.", "optimizer.velocity."] {
            let values = &checkpoint.tensors[&format!("{prefix}{name}")];
            let absent = values.iter().zip(mask).filter(|(_, present)| !**present);
            assert!(
                absent.clone().count() > 0 && absent.clone().all(|(value, _)| *value == 0.0),
                "{prefix}{name}"
            );
        }
    }
}

#[test]
fn about_as_many_weights_are_absent_as_asked_for_and_the_table_counts_them() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = train(config(&[]), folder.path(), 6);
    let checkpoint = Checkpoint::read(&recorder.last()).unwrap();
    let specs = trainer(config(&[])).network().parameters().unwrap();
    let of = |role| specs.iter().filter(move |spec| spec.role == role).map(|spec| spec.shape.elements());
    let (weights, others): (usize, usize) = (of(Role::Weight).sum(), of(Role::NoDecay).sum());
    let absent = |mask: &ndarray::ArrayD<bool>| mask.iter().filter(|present| !**present).count();
    let zeros: usize = checkpoint.masks.values().map(absent).sum();
    // 0.4 of 2,700 weights are absent, chosen at random: five standard deviations are 0.05.
    let share = zeros as f64 / weights as f64;
    assert!((share - 0.4).abs() < 0.05, "{share}");
    assert_eq!(recorder.rows[0].nonzeros, (weights + others - zeros) as u64);
    let dense = train(config(&["sparsity.sparsity=0"]), folder.path(), 6);
    assert_eq!(dense.rows[0].nonzeros, (weights + others) as u64);
}

#[test]
fn masks_change_when_they_are_due_and_stay_otherwise() {
    let masks = |settings: &[&str], step| {
        let folder = tempfile::tempdir().unwrap();
        let recorder = train(config(&[settings, &["schedule.epochs=2"]].concat()), folder.path(), step);
        Checkpoint::read(&recorder.last()).unwrap().masks
    };
    let first = masks(&["sparsity.update_every=4"], 1);
    assert_eq!(first, masks(&["sparsity.update_every=4"], 3));
    let changed = masks(&["sparsity.update_every=4"], 4);
    for (name, mask) in &first {
        let before = mask.iter().filter(|present| **present).count();
        let moved = mask.iter().zip(&changed[name]).filter(|(before, after)| **before && !**after).count();
        // At most as many as were removed; after 4 of 12 steps, three quarters of the initial rate are left.
        let rate = 0.005 + (0.3 - 0.005) * 0.75;
        assert!(moved <= (rate * before as f64).ceil() as usize, "{name}: {moved} of {before}");
    }
    assert_ne!(first, changed);
    assert_eq!(first, masks(&["sparsity.update_every=0"], 11), "the same seed draws the same masks");
    assert_ne!(first, masks(&["seed=1"], 1));
    assert_ne!(first, masks(&["sparsity.densities=uniform"], 1));
}

#[test]
fn weights_that_are_sparse_already_keep_their_zeros() {
    let folder = tempfile::tempdir().unwrap();
    let sparse = train(config(&[]), folder.path(), 6);
    let path = format!("weights={}", toml::Value::from(sparse.best().display().to_string()));
    let settings =
        [path.as_str(), "sparsity.sparsity=0", "sparsity.densities=weights", "sparsity.update_every=0"];
    let other = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(other.path());
    let dense = trainer(config(&settings[1..])).run(up_to(1), &mut recorder).unwrap_err().to_string();
    assert!(dense.contains("`sparsity.densities`") && dense.contains("no initial weight is zero"), "{dense}");
    let mut tuned = trainer(config(&settings));
    tuned.warm_start().unwrap();
    tuned.run(up_to(3), &mut recorder).unwrap();
    let masks = Checkpoint::read(&recorder.last()).unwrap().masks;
    let start = Checkpoint::read(&sparse.best()).unwrap().tensors;
    assert!(!masks.is_empty());
    for (name, mask) in &masks {
        assert!(
            mask.iter().zip(&start[name]).all(|(present, weight)| *present == (*weight != 0.0)),
            "{name}"
        );
    }
    // They also resume from their own checkpoints.
    let mut resumed = restored(config(&settings), &recorder.last()).unwrap();
    resumed.run(Limits::default(), &mut recorder).unwrap();
    assert_eq!(Checkpoint::read(&recorder.last()).unwrap().masks, masks);
}
