//! A 51 x 51 peripheral convolution on the CPU, forward and backward: timed, and compared with plain loops.
//!
//! ```sh
//! cargo run --release -p pelk-cpu --example cpu_operator
//! ```
#![allow(clippy::print_stdout)] // an example prints

use pelk_cpu::depthwise::{self, Gradients};
use pelk_cpu::reference::depthwise::peripheral_forward;
use pelk_grid::SharingGrid;
use pelk_ops::{Bias, DepthwiseConv, ImageShape};
use pelk_simd::Level;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let level = Level::from_env()?; // the best instructions of this processor, or those that PELK_SIMD names
    let grid = SharingGrid::exponential(51, 5, 2)?;
    let shape = ImageShape::checked("example", 1, 56, 56, 4)?; // N, H, W, C
    let x: Vec<f32> = (0..shape.len()).map(|i| (i as f32 * 0.37).sin()).collect();
    let theta: Vec<f32> = (0..shape.c * grid.params_per_channel()).map(|i| (i as f32 * 0.11).cos()).collect();

    let conv = DepthwiseConv::square(grid.clone());
    let mut y = vec![0.0; shape.len()];
    let start = Instant::now();
    depthwise::forward(level, &conv, shape, &x, &theta, Bias::None, &mut y)?;
    println!("forward: {:.2} ms with {level} instructions", 1e3 * start.elapsed().as_secs_f64());

    // The gradients of the sum of y: by the image, and by the shared parameters.
    let (gy, mut gx, mut gtheta) = (vec![1.0; y.len()], vec![0.0; x.len()], vec![0.0; theta.len()]);
    let start = Instant::now();
    let gradients = Gradients { x: Some(&mut gx), theta: Some(&mut gtheta) };
    depthwise::backward(level, &conv, shape, &x, &theta, &gy, gradients)?;
    println!("backward: {:.2} ms", 1e3 * start.elapsed().as_secs_f64());

    let double = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
    let expected = peripheral_forward(shape, &grid, &grid, &double(&x), &double(&theta));
    let largest = expected.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let error = y.iter().zip(&expected).fold(0.0, |most: f64, (&y, e)| most.max((f64::from(y) - e).abs()));
    println!("largest difference from float64 loops: {:.1e} of the largest value", error / largest);
    Ok(())
}
