//! A sweep gives the same report, however often it was killed and wherever its parts ran.

use crate::sandbox::{Running, Sandbox, refuse, succeed};
use std::process::Command;

/// Three arms, two budgets, two seeds: twelve runs of a network that takes a moment.
const SWEEP: [&str; 17] = [
    "ablate",
    "--data",
    "images",
    "--task",
    "fashion-mnist",
    "--study",
    "grid,center",
    "--quick",
    "--seeds",
    "2",
    "--steps",
    "6,12",
    "--set",
    "batch.size=8",
    "--set",
    "model.widths=[8, 8, 8]",
    "--checkpoint-every=1",
];

fn sweep(sandbox: &Sandbox, out: &str, more: &[&str]) -> Command {
    sandbox.pelk(SWEEP.into_iter().chain(["--out", out]).chain(more.iter().copied()))
}

/// The results that must not depend on how a sweep ran: the table of numbers without seconds and bytes, and
/// the report without the costs.
fn outcome(sandbox: &Sandbox, out: &str) -> (Vec<String>, String) {
    let text = |name: &str| String::from_utf8(sandbox.read(&format!("{out}/{name}"))).unwrap();
    let csv = text("results.csv");
    let rows = csv.lines().map(|line| line.rsplitn(3, ',').last().unwrap().to_owned()).collect();
    let report = text("report.md");
    let (before, _) = report.split_once("## What each arm costs").unwrap();
    assert!(text("report.html").contains("</html>"));
    (rows, before.to_owned())
}

#[test]
fn a_sweep_killed_three_times_gives_the_report_of_one_that_was_not() {
    let sandbox = Sandbox::new();
    let out = succeed(&mut sweep(&sandbox, "whole", &[]));
    assert!(out.contains("4 arms, 2 seeds, 6 and 12 steps") && out.contains("16 runs"), "{out}");
    let (rows, report) = outcome(&sandbox, "whole");
    // 3 arms in one study and 2 in the other, 2 budgets, 2 seeds, accuracy and loss.
    assert_eq!(rows.len(), 1 + (3 + 2) * 2 * 2 * 2);
    assert!(report.contains("After 12 steps, dense"), "{report}");

    let runs = ["dense_2/6-steps/seed-0", "center_1/6-steps/seed-1", "reversed/12-steps/seed-0"];
    for (i, run) in runs.into_iter().enumerate() {
        let command = match i {
            0 => sweep(&sandbox, "killed", &[]),
            _ => sandbox.pelk([
                "ablate",
                "--data",
                "images",
                "--resume",
                "--out",
                "killed",
                "--checkpoint-every=1",
            ]),
        };
        let mut running = Running::start(command);
        running.wait_for_step(&sandbox.path("killed/runs/fashion-mnist").join(run), i as u64);
        running.kill();
        assert!(!sandbox.path("killed/report.html").exists(), "killed before the end");
    }
    // Also with another number of jobs and threads.
    let resume =
        ["ablate", "--data", "images", "--resume", "--out", "killed", "--jobs", "3", "--threads", "1"];
    succeed(&mut sandbox.pelk(resume));
    assert_eq!(outcome(&sandbox, "killed"), (rows, report));
    sandbox.assert_same_run(
        "whole/runs/fashion-mnist/reversed/12-steps/seed-0",
        "killed/runs/fashion-mnist/reversed/12-steps/seed-0",
    );
}

#[test]
fn shards_together_are_the_sweep_in_one_folder_or_in_several() {
    let sandbox = Sandbox::new();
    let small = ["--steps", "4", "--seeds", "2"];
    let shard = |out: &str, shard: &str| {
        let mut args: Vec<&str> = SWEEP.to_vec();
        args.drain(8..12);
        sandbox.pelk(args.into_iter().chain(small).chain(["--out", out, "--shard", shard]))
    };
    let first = succeed(&mut shard("one", "1/2"));
    assert!(first.contains("(shard 1 of 2)") && first.contains("--collect one"), "{first}");
    let part = succeed(&mut sandbox.pelk(["ablate", "--collect", "one", "--out", "part"]));
    assert!(part.contains("Only 4 of 8 runs are finished"), "{part}");
    succeed(&mut shard("one", "2/2"));
    let (rows, report) = outcome(&sandbox, "one");

    succeed(&mut shard("several/a", "1/2"));
    succeed(&mut shard("several/b", "2/2"));
    succeed(&mut sandbox.pelk(["ablate", "--collect", "several"]));
    assert_eq!(outcome(&sandbox, "several"), (rows, report));
}

#[test]
fn a_budget_in_minutes_chooses_the_steps_once() {
    let sandbox = Sandbox::new();
    let new = [
        "--task=fashion-mnist",
        "--study=center",
        "--quick",
        "--seeds=1",
        "--budget=0.05",
        "--set=batch.size=8",
        "--set=model.widths=[8, 8, 8]",
    ];
    succeed(&mut sandbox.pelk(["ablate", "--data", "images", "--out", "timed"].into_iter().chain(new)));
    let plan = sandbox.read("timed/sweep.toml");
    let rows = outcome(&sandbox, "timed").0;
    succeed(&mut sandbox.pelk(["ablate", "--data", "images", "--out", "timed", "--resume"]));
    assert!(sandbox.read("timed/sweep.toml") == plan, "resuming keeps the steps");
    assert_eq!(outcome(&sandbox, "timed").0, rows);
    let short =
        ["--task=fashion-mnist", "--study=center", "--seeds=1", "--budget=0.000001", "--set=batch.size=8"];
    let mut command = sandbox.pelk(["ablate", "--data", "images", "--out", "short"].into_iter().chain(short));
    refuse(&mut command, &["--budget is too short", "--quick"]);
}

#[test]
fn detectors_are_compared_by_their_precision_also_by_distance() {
    let sandbox = Sandbox::new();
    let settings = [
        "schedule.warmup_steps=1",
        "data.canvases.train=8",
        "data.canvases.test=2",
        "batch.size=2",
        "data.scenes.size=[64, 64]",
        "data.scenes.shelves=[1, 2]",
    ];
    let settings = settings.map(|setting| format!("--set={setting}"));
    let warmed = &mut sandbox.pelk(["ablate", "--task=scenes-detection", "--study=kernel", "--steps=2"]);
    refuse(warmed, &["schedule.warmup_steps", "150 steps, but the whole run has only 2"]);
    let options = ["--task=scenes-detection", "--study=kernel", "--seeds=1", "--steps=2", "--out=sweep"];
    let sweep = ["ablate", "--data=images"].into_iter().chain(options);
    succeed(&mut sandbox.pelk(sweep.chain(settings.iter().map(String::as_str))));
    let csv = String::from_utf8(sandbox.read("sweep/results.csv")).unwrap();
    assert_eq!(csv.lines().filter(|line| line.contains(",box AP,")).count(), 2, "{csv}");

    // The scenes have shelves, so each arm is also measured by distance. So few steps find nothing: other
    // numbers show that the report takes them to their places.
    for (arm, values) in
        [("peripheral_7", ["0.25", "0.5", "none"]), ("peripheral_23", ["0.125", "0.75", "0.5"])]
    {
        let path = format!("sweep/runs/scenes-detection/{arm}/2-steps/seed-0/groups.csv");
        let groups = String::from_utf8(sandbox.read(&path)).unwrap();
        let mut lines: Vec<String> = groups.lines().map(str::to_owned).collect();
        let last = lines.len() - 3;
        for (line, (name, value)) in
            lines[last..].iter_mut().zip(["d<16", "d16-32", "d>=32"].iter().zip(values))
        {
            let mut row: Vec<&str> = line.split(',').collect();
            assert_eq!((row.len(), row[1], row[2]), (6, "2", *name), "{groups}");
            row[4] = value;
            *line = row.join(",");
        }
        std::fs::write(sandbox.path(&path), lines.join("\n") + "\n").unwrap();
    }
    succeed(&mut sandbox.pelk(["ablate", "--collect", "sweep"]));
    let csv = String::from_utf8(sandbox.read("sweep/results.csv")).unwrap();
    for line in [
        "\"7, 7, 7\",0,2,box AP d<16,0.250000,",
        "\"7, 7, 7\",0,2,box AP d16-32,0.500000,",
        "\"7, 7, 7\",0,2,box AP d>=32,none,",
        "\"23, 11, 7\",0,2,box AP d<16,0.125000,",
        "\"23, 11, 7\",0,2,box AP d>=32,0.500000,",
    ] {
        assert_eq!(csv.lines().filter(|row| row.contains(line)).count(), 1, "{line} is missing: {csv}");
    }
    let report = String::from_utf8(sandbox.read("sweep/report.md")).unwrap();
    let figure = "figures/scenes-detection-kernel-groups-2.svg";
    assert!(report.contains(figure) && report.contains("box AP for detection"), "{report}");
    assert!(!report.contains("guessing"), "precision has no level of guessing: {report}");
    let chart = String::from_utf8(sandbox.read(&format!("sweep/{figure}"))).unwrap();
    for text in ["Box AP by group after 2 steps", "d&lt;16", "d16-32", "7, 7, 7", "23, 11, 7"] {
        assert!(chart.contains(text), "{text} is missing: {chart}");
    }
}

#[test]
fn a_sweep_that_cannot_run_says_why_before_it_begins() {
    let sandbox = Sandbox::new();
    refuse(&mut sandbox.pelk(["ablate", "--study", "centr"]), &["\"center\"?"]);
    refuse(&mut sandbox.pelk(["ablate", "--task", "ade20k"]), &["no task", "long-range"]);
    refuse(&mut sandbox.pelk(["ablate", "--set", "model.kernel=3"]), &["model.kernel", "kernels"]);
    refuse(&mut sandbox.pelk(["ablate", "--shard", "3/2", "--out", "x"]), &["I/N"]);
    refuse(&mut sandbox.pelk(["ablate", "--resume", "--out", "nothing"]), &["nothing", "holds no sweep"]);
    refuse(&mut sandbox.pelk(["ablate", "--resume"]), &["no sweep", "--out"]);
    refuse(&mut sandbox.pelk(["ablate", "--collect", "images"]), &["images", "sweep.toml"]);
    assert!(!sandbox.path("runs").exists(), "nothing was begun");

    std::fs::create_dir(sandbox.path("taken")).unwrap();
    let plan =
        "studies = [\"grid\"]\nquick = true\nseeds = 1\nsettings = []\n[budgets]\nfashion-mnist = [4]\n";
    std::fs::write(sandbox.path("taken/sweep.toml"), plan).unwrap();
    refuse(&mut sweep(&sandbox, "taken", &[]), &["already contains a sweep", "--resume"]);
    refuse(&mut sweep(&sandbox, "taken", &["--shard", "1/2"]), &["holds another sweep"]);
    refuse(&mut sweep(&sandbox, "few", &["--shard", "17/20"]), &["shard 17 of 20", "only 16 runs"]);
    refuse(
        &mut sandbox.pelk(["ablate", "--collect", "taken"]),
        &["none of the sweep's", "nothing to report"],
    );
}
