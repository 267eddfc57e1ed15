//! However a run is interrupted, resuming it ends with the same bytes, and a failed save damages nothing.

use crate::sandbox::{Running, Sandbox, refuse, step_of, succeed};

/// A schedule too long for any test to finish.
const ENDLESS: [&str; 4] = ["--set", "schedule.epochs=100000", "--checkpoint-every", "1"];

#[test]
fn a_pause_and_the_number_of_threads_change_no_byte() {
    let sandbox = Sandbox::new();
    sandbox.trained("whole", 20);
    sandbox.trained("paused", 10);
    let out = succeed(&mut sandbox.resume("paused", &["--max-steps", "20"]));
    assert!(out.contains("resuming after step 10"), "{out}");
    sandbox.assert_same_run("whole", "paused");
    for threads in ["1", "3"] {
        succeed(&mut sandbox.train(threads, &["--max-steps", "20", "--threads", threads]));
        sandbox.assert_same_run("whole", threads);
    }
}

#[test]
fn a_killed_run_resumes_to_the_same_bytes() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path("killed");
    let mut run = Running::start(sandbox.train("killed", &ENDLESS));
    let mut step = run.wait_for_step(&folder, 5);
    run.kill();
    for _ in 0..2 {
        let mut run = Running::start(sandbox.resume("killed", &ENDLESS[2..]));
        step = run.wait_for_step(&folder, step + 3);
        run.kill();
    }
    let last = (step_of(&folder) + 5).to_string();
    succeed(&mut sandbox.resume("killed", &["--max-steps", &last]));
    succeed(&mut sandbox.train("whole", &[&ENDLESS[..], &["--max-steps", &last]].concat()));
    sandbox.assert_same_run("whole", "killed");
    let names = |run| sandbox.contents(run).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names("killed"), names("whole"), "nothing half written is left");
    assert_eq!(sandbox.event_files("killed").len(), 4, "each start has its own event file");
}

#[test]
fn a_run_killed_before_its_first_checkpoint_starts_again() {
    let sandbox = Sandbox::new();
    succeed(&mut sandbox.train("run", &["--max-steps", "0"]));
    assert!(!sandbox.path("run/last.safetensors").exists());
    succeed(&mut sandbox.resume("run", &["--max-steps", "5"]));
    sandbox.trained("whole", 5);
    sandbox.assert_same_run("whole", "run");
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_says_how_to_go_on() {
    let sandbox = Sandbox::new();
    let mut run = Running::start(sandbox.train("run", &ENDLESS[..2]));
    // Without --checkpoint-every, the first file is written at the end of the first epoch.
    run.wait_for_step(&sandbox.path("run"), 3);
    let (code, stdout, stderr) = run.interrupt();
    assert_eq!(code, Some(0), "stopping on request is not a failure: {stderr}");
    assert!(stderr.contains("Stopping after this step"), "{stderr}");
    let step = step_of(&sandbox.path("run"));
    assert!(stdout.contains(&format!("Stopped and saved after step {step} of")), "{stdout}");
    let advice = stdout.lines().find(|line| line.contains("--resume")).unwrap().trim();
    assert_eq!(advice, "pelk train --resume --out run");

    let last = (step + 5).to_string();
    succeed(&mut sandbox.resume("run", &["--max-steps", &last]));
    succeed(&mut sandbox.train("whole", &[&ENDLESS[..2], &["--max-steps", &last]].concat()));
    sandbox.assert_same_run("whole", "run");
}

/// The program under a file size limit, beyond which writing fails as on a full disk.
#[cfg(unix)]
fn with_file_limit(
    sandbox: &Sandbox,
    kilobytes: usize,
    command: &std::process::Command,
) -> std::process::Command {
    // The shell counts blocks of 512 or 1024 bytes, so this is the limit or half of it.
    let script = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$@\"");
    let program = command.get_program().to_str().unwrap();
    let args = command.get_args().map(|arg| arg.to_str().unwrap());
    sandbox.command("sh", ["-c", &script, "sh", program].into_iter().chain(args))
}

#[cfg(unix)]
#[test]
fn a_full_disk_ends_the_run_and_spoils_no_file() {
    let sandbox = Sandbox::new();
    sandbox.trained("run", 10);
    let before = sandbox.contents("run");
    let kilobytes = sandbox.read("run/last.safetensors").len() / 1024 / 2;
    let resume = sandbox.resume("run", &["--checkpoint-every", "1", "--max-steps", "20"]);
    refuse(
        &mut with_file_limit(&sandbox, kilobytes, &resume),
        &[
            "cannot write run/last.safetensors",
            "File too large",
            "the file that was there before is unchanged",
        ],
    );
    assert!(sandbox.contents("run") == before, "the folder is unchanged");
    succeed(&mut sandbox.resume("run", &["--max-steps", "20"]));
    sandbox.trained("whole", 20);
    sandbox.assert_same_run("whole", "run");

    let start = sandbox.train("new", &["--max-steps", "20"]);
    refuse(&mut with_file_limit(&sandbox, 0, &start), &["cannot write new/config.toml", "File too large"]);
    sandbox.trained("new", 20);
    sandbox.assert_same_run("whole", "new");
}

#[test]
fn a_run_that_diverges_keeps_its_last_good_checkpoint() {
    let sandbox = Sandbox::new();
    let diverging = ["--set", "optimizer.learning_rate=1e30", "--checkpoint-every", "1"];
    refuse(
        &mut sandbox.train("run", &diverging),
        &["is not finite at step", "epoch", "the last checkpoint, of step", "optimizer.learning_rate"],
    );
    let step = step_of(&sandbox.path("run"));
    assert!(step > 0);
    // The remaining files are intact: the run continues, to the same end.
    refuse(&mut sandbox.resume("run", &[]), &[&format!("is not finite at step {}", step + 1)]);
    assert_eq!(step_of(&sandbox.path("run")), step);
}
