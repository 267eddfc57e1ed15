//! The folder of a run: what it may contain, what is refused by name, and what is removed.

use crate::common::{add, config, message_of, restored, run_with_rows, train, trainer};
use pelk_train::tensorboard::PREFIX;
use pelk_train::{EventLog, Run};
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn a_folder_holds_one_run() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("deep/run");
    let message = message_of(Run::open(&folder));
    assert!(message.contains("no run to resume") && message.contains("deep/run"), "{message}");
    Run::create(&folder, &config(&[])).unwrap();
    let message = message_of(Run::create(&folder, &config(&["seed=2"])));
    assert!(message.contains("already holds a run") && message.contains("deep/run"), "{message}");
    let (run, kept, checkpoint) = Run::open(&folder).unwrap();
    assert_eq!(kept, config(&[]), "the first run's configuration is still there");
    assert!(checkpoint.is_none() && run.rows().is_empty());
}

#[test]
fn rows_after_the_checkpoint_are_dropped_since_their_epochs_run_again() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("run");
    run_with_rows(&folder, &config(&[]), &[6, 12, 18]);
    // No checkpoint yet: everything runs again.
    assert_eq!(Run::open(&folder).unwrap().0.rows(), []);
    train(config(&[]), &folder, 14);
    let (mut run, _, checkpoint) = Run::open(&folder).unwrap();
    assert_eq!(checkpoint.unwrap().description.step, 14);
    assert_eq!(run.rows().iter().map(|row| row.step).collect::<Vec<_>>(), [6, 12]);
    assert_eq!(run.groups().iter().map(|row| row.step).collect::<Vec<_>>(), [6, 12]);
    let row = run.rows()[1];
    add(&mut run, pelk_train::MetricsRow { step: 18, ..row });
    let steps =
        pelk_train::metrics::read(&run.metrics()).unwrap().iter().map(|row| row.step).collect::<Vec<_>>();
    assert_eq!(steps, [6, 12, 18]);
}

#[test]
fn what_a_killed_process_left_half_written_is_cleared_away() {
    let root = tempfile::tempdir().unwrap();
    run_with_rows(root.path(), &config(&[]), &[]);
    std::fs::write(root.path().join(".writing-x1y2z3"), [0; 100]).unwrap();
    std::fs::write(root.path().join("notes.txt"), "mine").unwrap();
    std::fs::create_dir(root.path().join("checkpoints")).unwrap();
    std::fs::write(root.path().join("checkpoints/.writing-x1y2z3"), [0; 100]).unwrap();
    Run::open(root.path()).unwrap();
    assert_eq!(std::fs::read_dir(root.path().join("checkpoints")).unwrap().count(), 0);
    let mut names: Vec<_> =
        std::fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["checkpoints", "config.toml", "notes.txt"]);
}

#[test]
fn a_folder_has_one_owner_from_the_start_of_a_run_to_its_end() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("run");
    let run = Run::create(&folder, &config(&[])).unwrap();
    // What the owner is writing now, which looks like what a killed process left.
    std::fs::write(folder.join(".writing-x1y2z3"), [0; 100]).unwrap();
    let message = message_of(Run::open(&folder));
    assert!(message.contains("run is in use by process ") && message.contains("run"), "{message}");
    assert!(folder.join(".writing-x1y2z3").exists());
    drop(run);
    let (opened, ..) = Run::open(&folder).unwrap();
    assert!(message_of(Run::open(&folder)).contains("in use"));
    drop(opened);
    Run::open(&folder).unwrap();

    // A folder that another process owns, but has not yet made a run of, or no longer.
    let other = root.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let lock = pelk_train::FolderLock::take(&other).unwrap();
    assert!(message_of(Run::create(&other, &config(&[]))).contains("in use"));
    drop(lock);
    Run::create(&other, &config(&[])).unwrap();
    assert!(!other.join(pelk_train::FolderLock::FILE).exists());
}

#[test]
fn a_damaged_file_of_a_run_is_named() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("run");
    drop(run_with_rows(&folder, &config(&[]), &[6]));
    train(config(&[]), &folder, 6);
    for (file, text) in [
        ("metrics.csv", "epoch,step\n"),
        ("metrics.csv", ""),
        ("last.safetensors", "not a checkpoint"),
        ("config.toml", "model.name = \n"),
        ("config.toml", "model.name = \"pelk_atto\"\ndata.dataset = \"example\"\nsed = 3\n"),
    ] {
        let path = folder.join(file);
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, text).unwrap();
        let message = message_of(Run::open(&folder));
        assert!(message.contains(&*path.to_string_lossy()), "{message}");
        std::fs::write(&path, good).unwrap();
    }
    Run::open(&folder).unwrap();
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    for folder in [file.clone(), file.join("below")] {
        let message = message_of(Run::create(&folder, &config(&[])));
        assert!(message.starts_with(&format!("cannot create {}: ", folder.display())), "{message}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    #[cfg(target_os = "linux")]
    {
        // A folder in which not even root can create a file.
        let message = message_of(Run::create(Path::new("/proc"), &config(&[])));
        assert!(message.contains("cannot lock /proc/.lock"), "{message}");
    }
}

#[test]
fn a_new_run_that_saved_nothing_can_be_removed_with_the_folders_made_for_it() {
    let root = tempfile::tempdir().unwrap();
    let create = |name: &str| {
        let folder = root.path().join(name);
        let run = Run::create(&folder, &config(&[])).unwrap();
        EventLog::create(&folder, 0).unwrap();
        (folder, run)
    };
    let names = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<BTreeSet<_>>()
    };
    let (_, run) = create("deep/er/run");
    run.remove_if_empty().unwrap();
    assert!(names(root.path()).is_empty());

    // Files that were there before, and other files, stay.
    let mine = [format!("{PREFIX}0000000007.mine"), "notes.txt".to_owned()];
    std::fs::create_dir(root.path().join("mine")).unwrap();
    mine.iter().for_each(|name| std::fs::write(root.path().join("mine").join(name), "mine").unwrap());
    let (folder, run) = create("mine");
    run.remove_if_empty().unwrap();
    assert_eq!(names(&folder), mine.into());
    let (folder, run) = create("both/run");
    std::fs::write(folder.join("notes.txt"), "mine").unwrap();
    run.remove_if_empty().unwrap();
    assert_eq!(names(&folder), ["notes.txt".to_owned()].into());

    // So do a run that has saved something, and one that was opened.
    let (folder, mut run) = create("saved");
    run.save(&trainer(config(&[])).checkpoint().unwrap(), 1).unwrap();
    run.remove_if_empty().unwrap();
    assert!(folder.join("last.safetensors").exists() && folder.join("config.toml").exists());
    let (folder, _) = create("opened");
    Run::open(&folder).unwrap().0.remove_if_empty().unwrap();
    assert!(folder.join("config.toml").exists());
}

#[test]
fn a_run_can_resume_although_its_data_moved() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = train(config(&["data.folder=/old"]), folder.path(), 7);
    let moved = restored(config(&["data.folder=/new"]), &recorder.last()).unwrap();
    assert_eq!(moved.step(), 7);
    restored(config(&[]), &recorder.last()).unwrap();
    assert!(!config(&[]).to_toml().unwrap().contains("folder"), "written as before");
}
