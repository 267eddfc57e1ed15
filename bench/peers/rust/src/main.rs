//! Times candle and burn on peripheral convolutions, computed as dense ones; prints a line of JSON per
//! measurement, with the fields of `cargo xtask bench` and `peer`. `RAYON_NUM_THREADS` sets the threads.
//!
//! The kernel is expanded before both passes: forward_backward gives the gradient of the dense kernel, and
//! leaves out the short sum over blocks that would follow.

mod burn;
mod candle;
mod timing;

use anyhow::{Result, ensure};
use clap::Parser;
use serde_json::json;
use timing::measure;

/// Time candle and burn on depthwise convolutions
#[derive(Parser)]
struct Args {
    /// A peripheral convolution on a square map; can be repeated
    #[arg(long, value_name = "C,H,KERNEL,CENTER", required = true)]
    shape: Vec<Shape>,
    /// Passes to measure
    #[arg(long = "pass", value_delimiter = ',', default_value = "forward,forward_backward")]
    passes: Vec<String>,
    /// Leave this one out; can be repeated
    #[arg(long, value_name = "PEER:PASS")]
    skip: Vec<String>,
    /// Timed runs of each, after one to warm up
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

/// An image `[1, c, h, h]` and a kernel `[c, 1, k, k]` without the taps that are outside the map everywhere.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    c: usize,
    h: usize,
    kernel: usize,
    center: usize,
}

impl std::str::FromStr for Shape {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Shape> {
        let numbers = text.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
        ensure!(numbers.len() == 4 && numbers.iter().all(|&number| number > 0), "takes four numbers above 0");
        Ok(Shape { c: numbers[0], h: numbers[1], kernel: numbers[2], center: numbers[3] })
    }
}

impl Shape {
    /// Side of the kernel, without the taps that never meet the map.
    fn side(self) -> usize {
        2 * (self.kernel / 2).min(self.h - 1) + 1
    }

    fn image(self) -> Vec<f32> {
        values(self.c * self.h * self.h)
    }

    /// A dense kernel costs the same whatever its values are, so it need not be constant on blocks.
    fn weight(self) -> Vec<f32> {
        values(self.c * self.side() * self.side())
    }
}

/// Values between -1 and 1 without a pattern.
fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 % 10007) as f32 / 5003.0) - 1.0).collect()
}

fn main() -> Result<()> {
    let args = Args::parse();
    let threads = std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.parse::<usize>().ok());
    ensure!(threads.is_some(), "set RAYON_NUM_THREADS");
    for &shape in &args.shape {
        same_results(shape)?;
        for pass in &args.passes {
            let rivals: [(&str, Box<dyn FnMut() -> Result<()>>); 3] = match pass.as_str() {
                "forward" => [
                    ("candle", candle::forward(shape)?),
                    ("burn-ndarray", burn::forward(shape, &burn::ndarray())),
                    ("burn-flex", burn::forward(shape, &burn::flex())),
                ],
                "forward_backward" => [
                    ("candle", candle::forward_backward(shape)?),
                    ("burn-ndarray", burn::forward_backward(shape, &burn::ndarray())),
                    ("burn-flex", burn::forward_backward(shape, &burn::flex())),
                ],
                other => anyhow::bail!("unknown pass {other:?}"),
            };
            for (peer, mut call) in rivals {
                if args.skip.contains(&format!("{peer}:{pass}")) {
                    continue;
                }
                let times = measure(&mut call, args.runs)?;
                let Shape { c, h, kernel, center } = shape;
                println!(
                    "{}",
                    json!({
                        "bench": "peripheral_conv", "pass": pass, "n": 1, "c": c, "h": h, "w": h,
                        "kernel": kernel, "center": center, "threads": threads, "peer": peer,
                        "ms": times.median, "min_ms": times.least, "runs": args.runs,
                    })
                );
            }
        }
    }
    Ok(())
}

/// Fails unless the rivals agree, which shows that each is called correctly.
fn same_results(shape: Shape) -> Result<()> {
    let expected = candle::output(shape)?;
    let scale = expected.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    for device in [burn::ndarray(), burn::flex()] {
        let actual = burn::output(shape, &device)?;
        let worst = actual.iter().zip(&expected).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
        ensure!(actual.len() == expected.len() && worst <= 1e-4 * scale, "burn and candle differ by {worst}");
    }
    Ok(())
}
