//! `cargo xtask test`: every check that a change must pass, the cheapest first.

use crate::chore::{cargo, root, unexpected, works};
use anyhow::{Context, Result, bail};
use lexopt::Arg::{Long, Short};
use lexopt::Parser;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

const HELP: &str = "\
Run every check: formatting, lints, documentation, tests

The checks run in the order of their cost and stop at the first that fails. Dependencies are checked too where
cargo-deny is installed.

With --fast, only formatting and lints are checked, and the lints leave out what takes long to compile: the
dashboard of `pelk train --tui`, the drivers of GPUs and the benchmarks. The GPU code itself is linted. This
also checks that the workspace compiles without its default features.

Usage: cargo xtask test [--fast | [--no-fail-fast] [-- ARGUMENTS]]

Options:
      --fast          Check only formatting, and lints without default features
      --no-fail-fast  Go on after a failure, to see all of them
  -h, --help          Print this help
  ARGUMENTS           Passed on to `cargo test`

Examples:
  cargo xtask test                      what continuous integration runs
  cargo xtask test --fast               before a commit
  cargo xtask test -- golden            all checks, but only the tests with \"golden\" in their name
  cargo xtask test -- -- --nocapture    show what the tests print

GPU tests run where there is a GPU; a software GPU counts. PELK_BACKEND=cpu leaves them out, PELK_BACKEND=gpu
leaves out the tests of the processor, and with PELK_REQUIRE_GPU=1 a missing GPU is a failure.";

/// What the command line says.
#[derive(Debug, Default, PartialEq)]
struct TestArgs {
    /// Only formatting, and lints of the lean build.
    fast: bool,
    /// Go on after a failure.
    no_fail_fast: bool,
    /// Arguments of `cargo test`.
    test_args: Vec<String>,
}

/// Reads the command line; nothing where it asks for help, which is then printed.
fn read(arguments: Vec<OsString>) -> Result<Option<TestArgs>> {
    let mut args = TestArgs::default();
    let mut parser = Parser::from_args(arguments);
    loop {
        // Whatever follows `--` is cargo's, its own `--` included.
        if let Some(raw) = parser.try_raw_args()
            && raw.peek().is_some_and(|next| next == "--")
        {
            let rest = raw.skip(1).map(OsString::into_string);
            let rest: std::result::Result<_, _> = rest.collect();
            args.test_args =
                rest.map_err(|argument| anyhow::anyhow!("{} is not valid UTF-8", argument.display()))?;
            break;
        }
        match parser.next()? {
            Some(Long("fast")) => args.fast = true,
            Some(Long("no-fail-fast")) => args.no_fail_fast = true,
            Some(Long("help") | Short('h')) => {
                println!("{HELP}");
                return Ok(None);
            }
            Some(other) => return Err(unexpected(other, "test")),
            None => break,
        }
    }
    if args.fast && (args.no_fail_fast || !args.test_args.is_empty()) {
        bail!("--fast runs no tests: leave out --no-fail-fast and what follows `--`");
    }
    Ok(Some(args))
}

/// A command of cargo that must succeed.
#[derive(Debug, Clone, PartialEq)]
struct Step {
    name: &'static str,
    args: Vec<String>,
    /// Environment variables, on top of those of this process.
    envs: &'static [(&'static str, &'static str)],
}

impl Step {
    fn new(name: &'static str, args: &str) -> Step {
        Step { name, args: args.split_whitespace().map(str::to_owned).collect(), envs: &[] }
    }
}

/// The command line, as one would type it.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (variable, value) in self.envs {
            write!(f, "{variable}=\"{value}\" ")?;
        }
        f.write_str("cargo")?;
        for arg in &self.args {
            if arg.is_empty() || arg.contains(char::is_whitespace) {
                write!(f, " \"{arg}\"")?;
            } else {
                write!(f, " {arg}")?;
            }
        }
        Ok(())
    }
}

/// Runs the checks.
///
/// # Errors
/// Names the checks that failed; also when cargo cannot be started.
pub fn run(arguments: Vec<OsString>) -> Result<()> {
    let Some(args) = read(arguments)? else { return Ok(()) };
    let start = Instant::now();
    let deny = !args.fast && works(cargo().arg("deny"));
    let not_tested = root().join("target/not-tested.txt");
    // Cargo may build elsewhere (CARGO_TARGET_DIR).
    std::fs::create_dir_all(root().join("target"))?;
    std::fs::write(&not_tested, "").with_context(|| format!("cannot write {}", not_tested.display()))?;
    let outcome = run_steps(&steps(&args, deny), args.no_fail_fast, |step| succeeds(step, &not_tested));
    if let Some(message) = without_gpu(&std::fs::read_to_string(&not_tested)?) {
        println!("\n{message}");
    }
    if !args.fast && !deny {
        println!(
            "\nThe dependencies' licenses and sources were not checked, since cargo-deny is not installed: \
             `cargo install --locked cargo-deny` installs it."
        );
    }
    println!("\ntotal time: {}", seconds(start.elapsed()));
    outcome
}

/// The checks that `args` ask for; `deny` says whether cargo-deny can be run.
fn steps(args: &TestArgs, deny: bool) -> Vec<Step> {
    let format = Step::new("formatting", "fmt --all --check");
    let lints = Step::new("lints", "clippy --workspace --all-targets -- -D warnings");
    if args.fast {
        // The largest dependencies that linting can do without: Vulkan's binding, ratatui and criterion.
        let lean =
            "clippy --workspace --exclude pelk-bench --all-targets --no-default-features -- -D warnings";
        return vec![format, Step::new("lints of the lean build", lean)];
    }
    let dependencies = Step::new("dependencies", "deny check bans licenses sources");
    let mut documentation = Step::new("documentation", "doc --workspace --no-deps");
    documentation.envs = &[("RUSTDOCFLAGS", "-D warnings")];
    let mut tests = Step::new("tests", "test --workspace");
    if args.no_fail_fast {
        tests.args.push("--no-fail-fast".to_owned());
    }
    tests.args.extend(args.test_args.iter().cloned());

    let mut steps = vec![format];
    steps.extend(deny.then_some(dependencies));
    steps.extend([lints, documentation, tests]);
    steps
}

/// Runs `steps` with `succeeds`, up to the first failure or, with `keep_going`, all of them.
fn run_steps(
    steps: &[Step],
    keep_going: bool,
    mut succeeds: impl FnMut(&Step) -> Result<bool>,
) -> Result<()> {
    let mut failed = Vec::new();
    for step in steps {
        println!("\n== {}: {step}", step.name);
        let start = Instant::now();
        let success = succeeds(step)?;
        println!(
            "== {}: {} in {}",
            step.name,
            if success { "passed" } else { "FAILED" },
            seconds(start.elapsed())
        );
        if !success {
            failed.push(step);
            if !keep_going {
                break;
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let again: Vec<_> = failed.iter().map(|step| format!("\n    {step}")).collect();
    let names: Vec<_> = failed.iter().map(|step| step.name).collect();
    bail!("failed: {}; run again with{}", names.join(", "), again.concat());
}

/// What to say of the GPU tests that did nothing, given a line each: the test's name and the reason.
fn without_gpu(lines: &str) -> Option<String> {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for line in lines.lines() {
        *reasons.entry(line.split_once(": ").map_or("", |(_, reason)| reason)).or_default() += 1;
    }
    let sentence = |(reason, count): (&str, usize)| {
        let tests = if count == 1 { "test" } else { "tests" };
        format!("{count} GPU {tests} did not run: {reason}.")
    };
    let sentences: Vec<_> = reasons.into_iter().map(sentence).collect();
    (!sentences.is_empty()).then(|| sentences.join("\n"))
}

fn succeeds(step: &Step, not_tested: &Path) -> Result<bool> {
    let status = cargo()
        .current_dir(root())
        .args(&step.args)
        .envs(step.envs.iter().copied())
        .env("PELK_NOT_TESTED", not_tested)
        .status()
        .with_context(|| format!("cannot start `{step}`"))?;
    Ok(status.success())
}

fn seconds(time: Duration) -> String {
    let (minutes, seconds) = (time.as_secs() / 60, time.as_secs() % 60);
    if minutes == 0 { format!("{:.1} s", time.as_secs_f64()) } else { format!("{minutes} min {seconds} s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> TestArgs {
        TestArgs { fast: false, no_fail_fast: false, test_args: Vec::new() }
    }

    fn lines(args: &TestArgs, deny: bool) -> Vec<String> {
        steps(args, deny).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_checks_are_those_that_the_help_promises_in_the_order_of_their_cost() {
        let expected = [
            "cargo fmt --all --check",
            "cargo deny check bans licenses sources",
            "cargo clippy --workspace --all-targets -- -D warnings",
            "RUSTDOCFLAGS=\"-D warnings\" cargo doc --workspace --no-deps",
            "cargo test --workspace",
        ];
        assert_eq!(lines(&args(), true), expected);
        let without_deny = lines(&args(), false);
        assert_eq!(without_deny.len(), 4);
        assert!(!without_deny.iter().any(|line| line.contains("deny check")));
    }

    #[test]
    fn fast_checks_formatting_and_the_lints_of_the_lean_build() {
        let expected = [
            "cargo fmt --all --check",
            "cargo clippy --workspace --exclude pelk-bench --all-targets --no-default-features \
             -- -D warnings",
        ];
        assert_eq!(lines(&TestArgs { fast: true, ..args() }, true), expected);
    }

    #[test]
    fn arguments_reach_cargo_test() {
        let test_args = ["golden", "--", "--exact", "two words"].map(str::to_owned).to_vec();
        let got = lines(&TestArgs { no_fail_fast: true, test_args, ..args() }, false);
        let tests = "cargo test --workspace --no-fail-fast golden -- --exact \"two words\"";
        assert_eq!(got.last().map(String::as_str), Some(tests));
    }

    #[test]
    fn the_first_failure_ends_the_run_and_names_the_command() {
        let mut ran = Vec::new();
        let error = run_steps(&steps(&args(), false), false, |step| {
            ran.push(step.name);
            Ok(step.name != "lints")
        });
        assert_eq!(ran, ["formatting", "lints"]);
        let message = error.unwrap_err().to_string();
        assert_eq!(
            message,
            "failed: lints; run again with\n    cargo clippy --workspace --all-targets -- -D warnings"
        );
    }

    #[test]
    fn with_no_fail_fast_all_checks_run_and_all_failures_are_named() {
        let mut ran = 0;
        let error = run_steps(&steps(&args(), false), true, |step| {
            ran += 1;
            Ok(step.name == "documentation")
        });
        assert_eq!(ran, 4);
        let message = error.unwrap_err().to_string();
        assert!(message.starts_with("failed: formatting, lints, tests;"), "{message}");
    }

    #[test]
    fn tests_without_a_gpu_are_counted() {
        assert_eq!(without_gpu(""), None);
        let lines = "golden: no GPU was found: install one\nblocks::tape: no GPU was found: install one\nsum: rounds\n";
        let expected =
            "2 GPU tests did not run: no GPU was found: install one.\n1 GPU test did not run: rounds.";
        assert_eq!(without_gpu(lines).unwrap(), expected);
    }

    #[test]
    fn times_are_short() {
        assert_eq!(seconds(Duration::from_millis(1_260)), "1.3 s");
        assert_eq!(seconds(Duration::from_secs(60)), "1 min 0 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 5 s");
    }
}
