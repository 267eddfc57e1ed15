//! Matrix products of linear layers, beside the libraries that compute nothing else.

use super::operators::{CPU, values};
use super::record::{GemmTimes, Record};
use crate::timing::{PeakRate, Timing};
use anyhow::{Result, ensure};
use clap::ValueEnum;
use pelk_cpu::rivals::Rival;
use pelk_cpu::{Affine, Rows, RowsMut, linear};
use pelk_simd::Level;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Each sample lasts at least this long, so that the clock and the cold start do not matter.
const SAMPLE: Duration = Duration::from_millis(2);
/// Attempts at a sample that nothing disturbed, for each of the samples that are wanted.
const ATTEMPTS: usize = 20;

/// Who computes a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lib {
    /// pelk-cpu.
    Pelk,
    /// The crate matrixmultiply, which has one thread.
    Matrixmultiply,
    /// The crate gemm.
    Gemm,
}

/// Which product of a linear layer `y = x W^T`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinearPass {
    /// `y = x W^T`.
    Fwd,
    /// `gx = gy W`.
    Dx,
    /// `gW = gy^T x`.
    Dw,
}

impl LinearPass {
    /// All of them.
    pub const ALL: [LinearPass; 3] = [LinearPass::Fwd, LinearPass::Dx, LinearPass::Dw];

    /// The name in output.
    pub fn name(self) -> &'static str {
        match self {
            LinearPass::Fwd => "fwd",
            LinearPass::Dx => "dx",
            LinearPass::Dw => "dw",
        }
    }
}

/// A linear layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linear {
    /// Rows of x and y: pixels.
    pub rows: usize,
    /// Columns of x.
    pub inputs: usize,
    /// Columns of y.
    pub outputs: usize,
}

/// The linear layers of the table.
pub fn table() -> Vec<Linear> {
    let mut table = Vec::new();
    let mut add = |rows, inputs, outputs| table.push(Linear { rows, inputs, outputs });
    for n in [1, 2, 8] {
        // The stages of PeLK-T and PeLK-S, of PeLK-B, and of ConvNeXt-T, at 224 x 224.
        for widths in [[124, 249, 499, 998], [166, 332, 665, 1331], [96, 192, 384, 768]] {
            for (rows, c) in [3136, 784, 196, 49].into_iter().zip(widths) {
                add(n * rows, c, 4 * c);
                add(n * rows, 4 * c, c);
            }
        }
    }
    // pelk_atto on 128 images of 28 x 28.
    for (rows, c) in [(196, 48), (49, 96)] {
        add(128 * rows, c, 4 * c);
        add(128 * rows, 4 * c, c);
    }
    // 3 x 3 convolutions as products of patches: UperNet's and the feature pyramid's, on maps of 32 x 32; and
    // the box head's layers for 512 boxes.
    add(1024, 9 * 512, 512);
    add(1024, 9 * 256, 256);
    add(512, 256 * 49, 1024);
    add(512, 1024, 1024);
    table
}

/// Measures one product with every library in turn, in the current thread pool.
///
/// Only samples just before and after which the processor reached nine tenths of its peak count: on a shared
/// machine the others measure the neighbors. A library without a sample that counts is left out.
///
/// # Errors
/// When no sample counts.
pub fn measure(
    level: Level,
    peak: PeakRate,
    linear: Linear,
    pass: LinearPass,
    runs: usize,
) -> Result<Vec<Record>> {
    let threads = rayon::current_num_threads();
    let mut subject = Subject::new(level, linear);
    // A library for one thread stands for itself at one.
    let libs: Vec<Lib> = Lib::value_variants()
        .iter()
        .copied()
        .filter(|lib| threads == 1 || *lib != Lib::Matrixmultiply)
        .collect();
    let mut repeats = Vec::new();
    for lib in &libs {
        subject.run(*lib, pass)?;
        let start = Instant::now();
        subject.run(*lib, pass)?;
        let one = start.elapsed().as_secs_f64().max(1e-7);
        repeats.push((SAMPLE.as_secs_f64() / one).ceil() as usize);
    }
    let mut times = vec![Vec::new(); libs.len()];
    for _ in 0..runs {
        for ((lib, repeats), times) in libs.iter().zip(&repeats).zip(&mut times) {
            for _ in 0..ATTEMPTS {
                if !peak.is_reached() {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
                let start = Instant::now();
                for _ in 0..*repeats {
                    subject.run(*lib, pass)?;
                }
                let ms = 1e3 * start.elapsed().as_secs_f64() / *repeats as f64;
                if peak.is_reached() {
                    times.push(ms);
                    break;
                }
            }
        }
    }
    let Linear { rows, inputs, outputs } = linear;
    let giga = (2 * rows * inputs * outputs) as f64 / 1e9;
    let records: Vec<Record> = libs
        .into_iter()
        .zip(times)
        .filter(|(_, times)| !times.is_empty())
        .map(|(lib, times)| {
            let timing = Timing::of(times);
            Record::Gemm {
                lib,
                pass,
                rows,
                inputs,
                outputs,
                threads,
                times: GemmTimes {
                    ms: timing.median_ms,
                    gflops: rounded(1e3 * giga / timing.median_ms),
                    min_ms: timing.min_ms,
                    runs: timing.runs,
                    peak_gflops: rounded(2.0 * peak.giga() * threads as f64),
                },
                simd: level.name().to_owned(),
                device: CPU.to_owned(),
            }
        })
        .collect();
    ensure!(!records.is_empty(), "other programs kept the processor busy: close them, and measure again");
    Ok(records)
}

fn rounded(giga: f64) -> f64 {
    (10.0 * giga).round() / 10.0
}

/// A linear layer's operands and results.
struct Subject {
    level: Level,
    linear: Linear,
    x: Vec<f32>,
    weight: Vec<f32>,
    gy: Vec<f32>,
    y: Vec<f32>,
    gx: Vec<f32>,
    gweight: Vec<f32>,
}

impl Subject {
    fn new(level: Level, linear: Linear) -> Subject {
        let Linear { rows, inputs, outputs } = linear;
        let (x, y, weight) = (rows * inputs, rows * outputs, inputs * outputs);
        let zeros = |len| vec![0.0; len];
        Subject {
            level,
            linear,
            x: values(x),
            weight: values(weight),
            gy: values(y),
            y: zeros(y),
            gx: zeros(x),
            gweight: zeros(weight),
        }
    }

    /// One product.
    fn run(&mut self, lib: Lib, pass: LinearPass) -> Result<()> {
        let Linear { inputs, outputs, .. } = self.linear;
        let (x, weight) = (Rows::new(&self.x, inputs)?, Rows::new(&self.weight, inputs)?);
        let gy = Rows::new(&self.gy, outputs)?;
        let y = RowsMut::new(&mut self.y, outputs)?;
        let gx = RowsMut::new(&mut self.gx, inputs)?;
        let rival = match lib {
            Lib::Pelk => {
                let mut gradients = Affine { weight: None, bias: None };
                match pass {
                    LinearPass::Fwd => linear::forward(self.level, x, weight, None, y)?,
                    LinearPass::Dx => linear::backward(self.level, x, weight, gy, Some(gx), gradients)?,
                    LinearPass::Dw => {
                        gradients.weight = Some(&mut self.gweight);
                        linear::backward(self.level, x, weight, gy, None, gradients)?;
                    }
                }
                return Ok(());
            }
            Lib::Matrixmultiply => Rival::Matrixmultiply,
            Lib::Gemm => Rival::Gemm,
        };
        match pass {
            LinearPass::Fwd => rival.forward(x, weight, y)?,
            LinearPass::Dx => rival.input_gradient(gy, weight, gx)?,
            LinearPass::Dw => rival.weight_gradient(gy, x, RowsMut::new(&mut self.gweight, inputs)?)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_widths_of_the_networks_and_their_ways_back() {
        let table = table();
        for (rows, inputs, outputs) in [(3136, 124, 496), (392, 5324, 1331), (49, 768, 3072)] {
            assert!(table.contains(&Linear { rows, inputs, outputs }), "{rows} x {inputs} x {outputs}");
        }
    }
}
