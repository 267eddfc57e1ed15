//! A run's folder has one owner, nothing is left of a run that saved nothing, and signals are obeyed at any
//! time.

use crate::sandbox::{Running, SETTINGS, STEPS, STEPS_PER_EPOCH, Sandbox, refuse, step_of, succeed};
use std::process::Stdio;

/// A schedule so long that not even its steps can be counted one by one.
const ENDLESS: [&str; 4] = ["--set", "schedule.epochs=100000000000", "--checkpoint-every", "1"];

#[test]
fn a_second_process_is_refused_and_harms_nothing() {
    let sandbox = Sandbox::new();
    let mut run = Running::start(sandbox.train("run", &ENDLESS));
    run.wait_for_step(&sandbox.path("run"), 1);
    for _ in 0..3 {
        let message = refuse(&mut sandbox.resume("run", &[]), &["run is in use by process ", "help:"]);
        assert!(message.contains("wait until that run ends"), "{message}");
        let step = step_of(&sandbox.path("run"));
        run.wait_for_step(&sandbox.path("run"), step);
    }
    refuse(&mut sandbox.train("run", &[]), &["already holds a run"]);
    run.kill();
    // The system drops the lock of a killed process.
    assert!(sandbox.path("run/.lock").exists());
    let last = (step_of(&sandbox.path("run")) + 3).to_string();
    succeed(&mut sandbox.resume("run", &["--max-steps", &last]));
    assert!(!sandbox.path("run/.lock").exists());
    succeed(&mut sandbox.train("whole", &[&ENDLESS[..2], &["--max-steps", &last]].concat()));
    sandbox.assert_same_run("whole", "run");
}

#[test]
fn runs_that_start_at_the_same_time_get_folders_of_their_own() {
    let sandbox = Sandbox::new();
    let settings = SETTINGS.iter().flat_map(|setting| ["--set", setting]);
    let args: Vec<&str> =
        ["train", "--data", "images", "--max-steps", "6"].into_iter().chain(settings).collect();
    let mut children: Vec<_> =
        (0..4).map(|_| sandbox.pelk(args.iter().copied()).stdout(Stdio::null()).spawn().unwrap()).collect();
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    for name in ["fashion-mnist", "fashion-mnist-2", "fashion-mnist-3", "fashion-mnist-4"] {
        assert_eq!(step_of(&sandbox.path("runs").join(name)), 6, "{name}");
    }
}

#[test]
fn sweeps_own_their_folder_and_shards_share_it() {
    let sandbox = Sandbox::new();
    let sweep = |out: &'static str, more: &[&'static str]| {
        let options = [
            "ablate",
            "--data=images",
            "--task=fashion-mnist",
            "--study=center",
            "--quick",
            "--seeds=1",
            "--steps=1000000",
            "--set=batch.size=8",
            "--set=model.widths=[8, 8, 8]",
            "--checkpoint-every=1",
            "--jobs=1",
        ];
        sandbox.pelk(options.into_iter().chain(["--out", out]).chain(more.iter().copied()))
    };
    // Each trains the first of its runs for as long as it is let.
    let folders = |out: &str| {
        let runs = sandbox.path(out).join("runs/fashion-mnist");
        std::fs::read_dir(runs).map_or(Vec::new(), |runs| {
            runs.map(|run| run.unwrap().path().join("1000000-steps/seed-0")).collect::<Vec<_>>()
        })
    };
    let wait = |out: &str, started: usize| {
        let begin = std::time::Instant::now();
        while folders(out).iter().filter(|folder| step_of(folder) > 0).count() < started {
            assert!(begin.elapsed().as_secs() < 120, "{out} does not start");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    let alone = Running::start(sweep("alone", &[]));
    wait("alone", 1);
    for more in [&["--shard", "1/2"][..], &["--shard", "2/2"]] {
        refuse(&mut sweep("alone", more), &["alone is in use by process "]);
    }
    refuse(
        &mut sandbox.pelk(["ablate", "--data=images", "--resume", "--out=alone"]),
        &["alone is in use by process "],
    );
    alone.kill();

    let first = Running::start(sweep("shards", &["--shard", "1/2"]));
    wait("shards", 1);
    let second = Running::start(sweep("shards", &["--shard", "2/2"]));
    wait("shards", 2);
    refuse(&mut sweep("shards", &["--shard", "2/2"]), &["shards is in use by process "]);
    refuse(
        &mut sandbox.pelk(["ablate", "--data=images", "--resume", "--out=shards"]),
        &["shards is in use by "],
    );
    first.kill();
    second.kill();
}

#[test]
fn a_run_that_saved_nothing_leaves_no_folder() {
    let sandbox = Sandbox::new();
    let diverging = ["--set", "optimizer.learning_rate=1e30", "--set", "schedule.warmup_epochs=0"];
    let message = refuse(&mut sandbox.train("run", &diverging), &["is not finite at step"]);
    assert!(message.contains("there is no checkpoint yet") && !message.contains("is good"), "{message}");
    assert!(!sandbox.path("run").exists());
    // The first step already fails.
    let diverging = ["--set", "optimizer.learning_rate=1e300", "--set", "schedule.warmup_epochs=0"];
    refuse(&mut sandbox.train("deep/run", &diverging), &["is not finite"]);
    assert!(!sandbox.path("deep").exists());
}

#[test]
fn a_log_of_steps_survives_being_killed() {
    let sandbox = Sandbox::new();
    let log = ["--step-log", "steps.csv", "--checkpoint-every", "3"];
    let mut run = Running::start(sandbox.train("run", &[&ENDLESS[..2], &log].concat()));
    run.wait_for_step(&sandbox.path("run"), 5);
    run.kill();
    let last = (step_of(&sandbox.path("run")) + 4).to_string();
    succeed(&mut sandbox.resume("run", &[&log[..], &["--max-steps", &last]].concat()));
    let whole = ["--step-log", "whole.csv", "--max-steps", &last];
    succeed(&mut sandbox.train("whole", &[&ENDLESS[..2], &whole].concat()));
    let values = |name: &str| {
        let text = String::from_utf8(sandbox.read(name)).unwrap();
        // Without the two columns of seconds.
        text.lines().map(|line| line.rsplitn(3, ',').last().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(values("steps.csv"), values("whole.csv"));
    assert_eq!(values("steps.csv").len() as u64, 1 + last.parse::<u64>().unwrap());

    std::fs::write(sandbox.path("notes.txt"), "mine\n").unwrap();
    let notes = ["--step-log", "notes.txt"];
    refuse(&mut sandbox.resume("run", &notes), &["notes.txt is not the log of this run's steps", "mine"]);
    assert_eq!(sandbox.read("notes.txt"), b"mine\n");
}

#[test]
fn a_finished_run_can_be_made_longer() {
    let sandbox = Sandbox::new();
    succeed(&mut sandbox.train("run", &[]));
    let out = succeed(&mut sandbox.resume("run", &[]));
    assert!(out.contains("Nothing to do") && out.contains("--extend"), "{out}");
    refuse(&mut sandbox.resume("run", &["--extend", "9"]), &["schedule.epochs", "is 10", "to 9"]);
    let longer = ["--extend", "12", "--max-steps", "42"];
    succeed(&mut sandbox.resume("run", &longer));
    assert_eq!(step_of(&sandbox.path("run")), STEPS + 2);
    // The configuration remembers the length.
    let out = succeed(&mut sandbox.resume("run", &[]));
    assert!(out.contains(&format!("resuming after step {}", STEPS + 2)), "{out}");
    assert_eq!(step_of(&sandbox.path("run")), 12 * STEPS_PER_EPOCH);
    assert!(String::from_utf8(sandbox.read("run/config.toml")).unwrap().contains("epochs = 12"));
    let epochs: Vec<_> = sandbox.metrics("run").iter().skip(1).map(|line| line[..2].to_owned()).collect();
    assert_eq!((epochs.len(), epochs[11].as_str()), (12, "12"));
    // Once more the same length is no change, and no reason for an error.
    succeed(&mut sandbox.resume("run", &["--extend", "12"]));
}

#[cfg(target_os = "linux")]
#[test]
fn signals_are_obeyed_while_files_are_opened() {
    let sandbox = Sandbox::new();
    // Opening a pipe waits until someone writes into it.
    let weights = sandbox.path("weights.safetensors");
    assert!(std::process::Command::new("mkfifo").arg(&weights).status().unwrap().success());
    let mut run = Running::start(sandbox.train("run", &["--weights", "weights.safetensors"]));
    run.wait_for_handler();
    let (code, _, stderr) = run.interrupt();
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("nothing to save"), "{stderr}");
    assert!(!sandbox.path("run").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn signals_are_obeyed_at_any_moment_of_the_start() {
    let sandbox = Sandbox::new();
    // The estimate takes part of a second; the signal meets it at another moment each time.
    for wait in [0, 20, 60, 150, 400] {
        let name = format!("run-{wait}");
        let mut run = Running::start(sandbox.train(&name, &ENDLESS[..2]));
        run.wait_for_handler();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        let begin = std::time::Instant::now();
        let (code, _, stderr) = run.interrupt();
        assert!(begin.elapsed().as_secs() < 20, "{stderr}");
        match code {
            // Before the run had a folder.
            Some(130) => assert!(!sandbox.path(&name).exists(), "{stderr}"),
            code => {
                assert_eq!(code, Some(0), "{stderr}");
                assert!(step_of(&sandbox.path(&name)) > 0);
            }
        }
    }
}
