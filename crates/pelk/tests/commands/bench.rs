//! Measurements: the output, not the speed.

use crate::sandbox::{Sandbox, refuse, succeed};
use serde_json::Value;

/// The lines that a measurement prints.
fn lines(sandbox: &Sandbox, args: &[&str]) -> Vec<Value> {
    let args = ["bench", "--json", "--runs", "1"].into_iter().chain(args.iter().copied());
    succeed(&mut sandbox.pelk(args)).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn assert_fields(line: &Value, fields: &[(&str, Value)]) {
    for (name, value) in fields {
        assert_eq!(line[name], *value, "{name} of {line}");
    }
    let [ms, min, floor] = ["ms", "min_ms", "floor_ms"].map(|name| line[name].as_f64().unwrap());
    assert!(0.0 < floor && 0.0 < min && min <= ms, "{line}");
    assert!(line["runs"].as_u64().unwrap() >= 1, "{line}");
    assert!(["portable", "avx2", "avx512", "neon"].contains(&line["simd"].as_str().unwrap()), "{line}");
}

#[test]
fn operators_are_measured_one_line_each() {
    let sandbox = Sandbox::new();
    let args = ["--shape", "8,7,13,5", "--depthwise", "3,5,5,3", "--mlp", "9,4", "--batch", "2"];
    let lines = lines(&sandbox, &[&args[..], &["--threads", "2", "--pass", "forward_backward"]].concat());
    assert_eq!(lines.len(), 3);
    let pass = ("pass", Value::from("forward_backward"));
    let number = |name, number: u64| (name, Value::from(number));
    let shared = |n, c, h| [pass.clone(), number("n", n), number("c", c), number("h", h), number("w", h)];
    assert_fields(&lines[0], &shared(2, 8, 7));
    let fields = [("bench", "peripheral_conv".into()), number("kernel", 13), number("center", 5)];
    assert_fields(&lines[0], &fields);
    assert_fields(&lines[1], &shared(2, 3, 5));
    let fields = [("bench", "depthwise_conv".into()), number("kernel_h", 5), number("kernel_w", 3)];
    assert_fields(&lines[1], &fields);
    let fields = [("bench", "pixel_mlp".into()), pass.clone(), number("rows", 9), number("c", 4)];
    assert_fields(&lines[2], &fields);
    assert_fields(&lines[2], &[number("threads", 2)]);

    let table = succeed(&mut sandbox.pelk(["bench", "--shape", "8,7,13,5", "--runs", "1"]));
    for words in ["8  7 x 7  forward_backward", "x floor", "G multiply-adds/s"] {
        assert!(table.contains(words), "{words} is missing:\n{table}");
    }
}

#[test]
fn a_network_is_measured_in_a_process_of_its_own() {
    let sandbox = Sandbox::new();
    let model = ["--model", "pelk_atto", "--batch", "2", "--threads", "1"];
    let lines = lines(&sandbox, &model);
    let passes: Vec<_> = lines.iter().map(|line| line["pass"].as_str().unwrap()).collect();
    assert_eq!(passes, ["inference", "train_step"]);
    for line in &lines {
        let fields = [("bench", "model".into()), ("model", "pelk_atto".into()), ("n", 2.into())];
        assert_fields(line, &fields);
        assert_fields(line, &[("size", 28.into()), ("threads", 1.into())]);
        assert!(line["images_per_second"].as_f64().unwrap() > 0.0, "{line}");
        match cfg!(target_os = "linux") {
            true => assert!(line["peak_bytes"].as_u64().unwrap() > 1 << 20, "{line}"),
            false => assert!(line.get("peak_bytes").is_some(), "{line}"),
        }
    }
    // Gradients and the optimizer's moments also need memory.
    if cfg!(target_os = "linux") {
        assert!(lines[0]["peak_bytes"].as_u64() < lines[1]["peak_bytes"].as_u64(), "{lines:?}");
    }
}

#[test]
fn measurements_that_make_no_sense_are_refused() {
    let sandbox = Sandbox::new();
    let bench = |args: &[&str], words: &[&str]| {
        refuse(&mut sandbox.pelk(["bench"].into_iter().chain(args.iter().copied())), words);
    };
    bench(&["--shape", "36,56,51"], &["C,H,KERNEL,CENTER"]);
    bench(&["--shape", "36,56,50,5"], &["50"]);
    bench(&["--model", "pelk_tt"], &["pelk_tt", "pelk_t"]);
    bench(&["--model", "pelk_t", "--size", "8", "--pass", "inference"], &["pelk_t", "32 pixels"]);
    bench(&["--only", "mlp", "--pass", "inference"], &["nothing to measure"]);
    bench(&["--only", "gpu"], &["conv", "mlp", "model"]);
    let mut unknown = sandbox.pelk(["bench", "--mlp", "9,4"]);
    refuse(unknown.env("PELK_SIMD", "avx1024"), &["avx1024", "portable"]);
}
