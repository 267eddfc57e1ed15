//! Commands whose output nobody reads: piped to `head`, in a closed terminal, on a full disk.

use crate::sandbox::{STEPS, Sandbox};
use std::process::{Command, Output, Stdio};

/// Runs the command with standard output, standard error or both closed at the other end.
fn unheard(command: &mut Command, [stdout, stderr]: [bool; 2]) -> Output {
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    command.stdout(if stdout { closed() } else { Stdio::piped() });
    command.stderr(if stderr { closed() } else { Stdio::piped() });
    command.output().unwrap()
}

#[test]
fn training_goes_on_when_nobody_reads_what_it_says() {
    let sandbox = Sandbox::new();
    sandbox.trained("whole", STEPS);
    for (run, closed) in [("stdout", [true, false]), ("stderr", [false, true]), ("both", [true, true])] {
        let output = unheard(&mut sandbox.train(run, &[]), closed);
        assert!(output.status.success(), "{run}: {output:?}");
        sandbox.assert_same_run("whole", run);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn training_goes_on_when_its_log_is_on_a_full_disk() {
    let sandbox = Sandbox::new();
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut train = sandbox.train("run", &["--max-steps", "8"]);
    assert!(train.stdout(full()).stderr(full()).status().unwrap().success());
    assert!(sandbox.path("run/last.safetensors").exists());
    // If the output is the result, losing it is a failure.
    let output = sandbox.pelk(["cost", "pelk_t"]).stdout(full()).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.starts_with("error: cannot write to standard output: No space left"), "{message}");
}

#[test]
fn other_commands_end_without_a_word() {
    let sandbox = Sandbox::new();
    sandbox.trained("run", 4);
    image::GrayImage::new(28, 28).save(sandbox.path("a.png")).unwrap();
    let predict = ["predict", "--checkpoint", "run/best.safetensors", "a.png", "a.png"];
    let eval = ["eval", "--checkpoint", "run/best.safetensors", "--data", "images"];
    for args in [&["cost", "pelk_t"][..], &["grid", "--kernel", "51"], &["devices"], &predict, &eval] {
        let run = || sandbox.pelk(args.iter().copied());
        let output = unheard(&mut run(), [true, false]);
        let remarks = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(141), "{args:?}: {remarks}");
        assert_eq!(remarks, "", "{args:?}");
        assert_eq!(unheard(&mut run(), [true, true]).status.code(), Some(141), "{args:?}");
        // Errors go to the other stream, whose loss changes nothing.
        let heard = unheard(&mut run(), [false, true]);
        assert!(heard.status.success() && !heard.stdout.is_empty(), "{args:?}: {heard:?}");
    }
    // An error keeps its exit status even if nobody reads it.
    assert_eq!(unheard(&mut sandbox.pelk(["cost", "no-such-model"]), [true, true]).status.code(), Some(1));
}
