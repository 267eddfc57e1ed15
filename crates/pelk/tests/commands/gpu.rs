//! `--device`: the same commands on a GPU, and their messages without one.

use crate::sandbox::{Sandbox, refuse, succeed};
use serde_json::Value;

#[test]
fn a_run_on_the_gpu_is_measured_alike_on_both() {
    if pelk_testing::gpu().is_none() {
        return;
    }
    let sandbox = Sandbox::new();
    let output = succeed(&mut sandbox.train("run", &["--device", "gpu", "--max-steps", "6"]));
    assert!(output.contains("on gpu ("), "{output}");
    assert!(output.contains("--resume --out run --device gpu"), "{output}");
    // The second half on the CPU: a checkpoint is not tied to a device.
    succeed(&mut sandbox.resume("run", &["--max-steps", "8"]));
    let eval = |device| {
        let args = ["eval", "--data", "images", "--checkpoint", "run/last.safetensors", "--device", device];
        let output = succeed(&mut sandbox.pelk(args));
        let line = |name: &str| {
            let line = output.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
            assert!(!line.is_empty(), "{name} is missing:\n{output}");
            line
        };
        [line("accuracy"), line("loss")]
    };
    assert_eq!(eval("gpu"), eval("cpu"));
    let image = image::GrayImage::from_fn(28, 28, |x, y| image::Luma([(x * y % 251) as u8]));
    image.save(sandbox.path("image.png")).unwrap();
    let predict = |device| {
        let args = ["predict", "--checkpoint", "run/last.safetensors", "--device", device, "image.png"];
        succeed(&mut sandbox.pelk(args))
    };
    assert_eq!(predict("gpu"), predict("cpu"));
}

#[test]
fn two_runs_on_the_gpu_have_the_same_bytes() {
    if pelk_testing::gpu().is_none() {
        return;
    }
    let sandbox = Sandbox::new();
    for run in ["one", "two"] {
        succeed(&mut sandbox.train(run, &["--device", "gpu", "--max-steps", "5"]));
    }
    assert!(sandbox.read("one/last.safetensors") == sandbox.read("two/last.safetensors"));
}

#[test]
fn a_sweep_runs_on_the_gpu() {
    if pelk_testing::gpu().is_none() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.write_images("datasets/fashion-mnist", 0);
    let args = ["ablate", "--device", "gpu", "--study", "center", "--quick", "--seeds", "1", "--steps", "2"];
    let small = ["--set", "batch.size=2", "--set", "data.canvases.train=8", "--set", "data.canvases.test=2"];
    let output = succeed(&mut sandbox.pelk(args.into_iter().chain(small).chain(["--out", "sweep"])));
    assert!(output.contains("1 at a time"), "{output}");
    assert!(sandbox.path("sweep/report.html").exists());
}

#[test]
fn operators_and_networks_are_measured_on_the_gpu() {
    let Some(gpu) = pelk_testing::gpu() else { return };
    let sandbox = Sandbox::new();
    let args = [
        "bench",
        "--json",
        "--runs",
        "1",
        "--device",
        "gpu",
        "--shape",
        "4,7,13,5",
        "--depthwise",
        "3,5,5,3",
    ];
    let more = ["--mlp", "9,4", "--model", "pelk_atto", "--batch", "1"];
    let output = succeed(&mut sandbox.pelk(args.into_iter().chain(more)));
    let lines: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 8);
    for line in &lines {
        assert_eq!(line["device"], gpu.name(), "{line}");
        assert_eq!(line["simd"], "wgsl", "{line}");
        assert!(line["ms"].as_f64().unwrap() > 0.0 && line["floor_ms"].is_null(), "{line}");
    }
    assert!(lines[7]["peak_bytes"].as_u64().unwrap() > 1 << 16, "{}", lines[7]);
}

#[test]
fn a_profile_names_the_kernels() {
    if pelk_testing::gpu().is_none() {
        return;
    }
    let sandbox = Sandbox::new();
    let args = ["bench", "--model", "pelk_atto", "--pass", "inference", "--profile", "--device"];
    let output = succeed(&mut sandbox.pelk(args.into_iter().chain(["gpu"])));
    assert!(output.contains("depthwise_row_planes") && output.contains("product"), "{output}");
    refuse(&mut sandbox.pelk(args.into_iter().chain(["cpu"])), &["--device gpu"]);
}

#[test]
fn devices_are_listed_and_named() {
    let sandbox = Sandbox::new();
    let output = succeed(&mut sandbox.pelk(["devices"]));
    assert!(output.contains("instructions"), "{output}");
    refuse(&mut sandbox.train("run", &["--device", "cuda"]), &["gpu:NUMBER"]);
    if let Some(gpu) = pelk_testing::gpu() {
        for words in ["gpu:0", gpu.name(), "maxStorageBufferBindingSize"] {
            assert!(output.contains(words), "{words} is missing:\n{output}");
        }
        refuse(&mut sandbox.train("run", &["--device", "gpu:no such card"]), &["no such card", gpu.name()]);
    }
    assert!(!sandbox.path("run").exists());
}

// An environment variable tells Vulkan's driver loader where to look.
#[cfg(target_os = "linux")]
mod without_an_adapter {
    use super::*;
    use std::process::Command;

    fn blind(mut command: Command) -> Command {
        command.env("VK_DRIVER_FILES", "/nowhere.json").env("VK_ICD_FILENAMES", "/nowhere.json");
        command
    }

    #[test]
    fn a_gpu_that_was_asked_for_is_an_error() {
        let sandbox = Sandbox::new();
        refuse(&mut blind(sandbox.train("run", &["--device", "gpu"])), &["no GPU was found", "driver"]);
        assert!(!sandbox.path("run").exists());
        let output = succeed(&mut blind(sandbox.pelk(["devices"])));
        assert!(output.contains("No GPU"), "{output}");
    }

    #[test]
    fn the_automatic_choice_is_the_processor_and_says_so() {
        let sandbox = Sandbox::new();
        let output = blind(sandbox.train("run", &["--device", "auto", "--max-steps", "1"])).output().unwrap();
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{messages}");
        assert!(
            messages.contains("--device auto: computing on the processor, since no GPU was found"),
            "{messages}"
        );
        assert!(String::from_utf8_lossy(&output.stdout).contains("on cpu ("));
    }
}

/// A limit on the address space limits a software GPU's memory.
#[cfg(target_os = "linux")]
#[test]
fn used_up_memory_is_an_error_that_leaves_the_last_checkpoint_whole() {
    let Some(gpu) = pelk_testing::gpu() else { return };
    if gpu.kind() != pelk_wgpu::AdapterKind::Software {
        return; // a test cannot know its memory
    }
    let sandbox = Sandbox::new();
    succeed(&mut sandbox.train("run", &["--device", "gpu", "--max-steps", "4"]));
    let before = sandbox.read("run/last.safetensors");
    let limited = |args: &str| {
        let pelk = env!("CARGO_BIN_EXE_pelk");
        sandbox.command("sh", ["-c", &format!("ulimit -v 2000000; exec {pelk} {args}")])
    };
    let words = ["has no memory left", "in use", "batch.size"];
    // Little memory on the processor, much on the GPU: full resolution with many channels.
    let large = "--set batch.size=64 --set model.stem_stride=1 --set model.widths=[256,512,768]";
    refuse(&mut limited(&format!("train --device gpu --data images --out large {large}")), &words);
    assert!(!sandbox.path("large/last.safetensors").exists());
    let batch = "--batch 4000 --checkpoint run/last.safetensors";
    succeed(&mut limited(&format!("eval --device gpu --data images {batch}")));
    assert!(sandbox.read("run/last.safetensors") == before);
}
