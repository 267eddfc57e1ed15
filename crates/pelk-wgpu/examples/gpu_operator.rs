//! A 51 x 51 peripheral convolution on the best GPU, compared with the CPU and timed.
//!
//! ```sh
//! cargo run --release -p pelk-wgpu --example gpu_operator
//! ```

use pelk_cpu::depthwise;
use pelk_grid::SharingGrid;
use pelk_ops::{Bias, DepthwiseConv, ImageShape};
use pelk_simd::Level;
use pelk_wgpu::{Adapter, Gpu, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gpu = Gpu::open(&Adapter::best()?, Options::default())?;
    let grid = SharingGrid::exponential(51, 5, 2)?;
    let shape = ImageShape::checked("example", 8, 56, 56, 36)?;
    let x: Vec<f32> = (0..shape.len()).map(|i| (i as f32 * 0.37).sin()).collect();
    let theta: Vec<f32> = (0..36 * grid.params_per_channel()).map(|i| (i as f32 * 0.11).cos()).collect();

    let (on_gpu, parameters) = (gpu.upload(&x)?, gpu.upload(&theta)?);
    let conv = DepthwiseConv::square(grid);
    let run = || gpu.depthwise_conv(&conv, shape, &on_gpu, &parameters, Bias::None);
    run()?; // compiles the kernels
    let (time, y) = gpu.timed(run)?;
    let y = gpu.download(&y)?;

    let mut expected = vec![0.0; shape.len()];
    let level = Level::best();
    depthwise::forward(level, &conv, shape, &x, &theta, Bias::None, &mut expected)?;
    let largest = expected.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
    let apart = y.iter().zip(&expected).fold(0.0, |most: f32, (y, e)| most.max((y - e).abs()));
    #[allow(clippy::print_stdout)] // an example prints
    {
        println!("{}: {:.3} ms for {} images", gpu.name(), 1e3 * time.as_secs_f64(), shape.n);
        println!("differs from the processor's by {:.1e} of the largest value", apart / largest);
    }
    Ok(())
}
