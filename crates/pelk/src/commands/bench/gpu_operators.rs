//! Measures single operators on a GPU, with the GPU's own clock if it has one.

use super::cases::{Depthwise, Mlp, Pass, Peripheral};
use super::operators::{Operators, values};
use super::record::{Record, Times};
use crate::timing::repeat_timed;
use anyhow::Result;
use pelk_grid::SharingGrid;
use pelk_ops::{Bias, DepthwiseConv, ImageShape, PixelMlpParameters, PixelMlpShape};
use pelk_wgpu::Kept;
use pelk_wgpu::{Buffer, Gpu};

/// Measures operators on a GPU.
pub struct GpuBench {
    /// The device.
    pub gpu: Gpu,
    /// Minimum number of timed runs.
    pub runs: usize,
}

impl GpuBench {
    fn times(&self, mut run: impl FnMut() -> pelk_wgpu::Result<()>) -> Result<Times> {
        let timing = repeat_timed(self.runs, || Ok(1e3 * self.gpu.timed(&mut run)?.0.as_secs_f64()))?;
        Ok(Times::new(timing, None))
    }

    fn upload(&self, len: usize) -> pelk_wgpu::Result<Buffer> {
        self.gpu.upload(&values(len))
    }

    fn place(&self) -> (usize, String, String) {
        (rayon::current_num_threads(), "wgsl".to_owned(), self.gpu.name().to_owned())
    }

    fn box_conv(
        &self,
        conv: &DepthwiseConv,
        parameters: usize,
        [n, h, c]: [usize; 3],
        pass: Pass,
    ) -> Result<Times> {
        let shape = ImageShape::checked("bench", n, h, h, c)?;
        let (x, theta) = (self.upload(shape.len())?, self.upload(parameters)?);
        self.times(|| {
            self.gpu.depthwise_conv(conv, shape, &x, &theta, Bias::None)?;
            if pass == Pass::ForwardBackward {
                // The output's gradient is the input itself, whose values are as good as any.
                self.gpu.depthwise_conv_backward(conv, shape, &x, &theta, &x, [true; 2])?;
            }
            Ok(())
        })
    }
}

impl Operators for GpuBench {
    fn machine(&self) -> String {
        let clock = if self.gpu.has_timestamps() { "the GPU's clock" } else { "the CPU's clock" };
        let (name, kind) = (self.gpu.name(), self.gpu.kind());
        format!(
            "{name} ({kind}); operators timed with {clock}, networks including the transfer of the result"
        )
    }

    fn peripheral(&self, shape: Peripheral, n: usize, pass: Pass) -> Result<Record> {
        let Peripheral { c, h, kernel, center } = shape;
        let grid = shape.grid()?;
        let parameters = c * grid.params_per_channel();
        let times = self.box_conv(&DepthwiseConv::square(grid), parameters, [n, h, c], pass)?;
        let (threads, simd, device) = self.place();
        Ok(Record::PeripheralConv { pass, n, c, h, w: h, kernel, center, threads, simd, times, device })
    }

    fn depthwise(&self, shape: Depthwise, n: usize, pass: Pass) -> Result<Record> {
        let Depthwise { c, h, kernel_h, kernel_w } = shape;
        let conv = DepthwiseConv::new(SharingGrid::dense(kernel_h)?, SharingGrid::dense(kernel_w)?);
        let times = self.box_conv(&conv, c * kernel_h * kernel_w, [n, h, c], pass)?;
        let (threads, simd, device) = self.place();
        Ok(Record::DepthwiseConv { pass, n, c, h, w: h, kernel_h, kernel_w, threads, simd, times, device })
    }

    fn mlp(&self, shape: Mlp, pass: Pass) -> Result<Record> {
        let Mlp { rows, c } = shape;
        let mlp = PixelMlpShape { rows, channels: c, hidden: 4 * c, eps: 1e-6 };
        let (x, vector) = (self.upload(rows * c)?, self.upload(c)?);
        let (middle, weight) = (self.upload(4 * c)?, self.upload(4 * c * c)?);
        let parameters = PixelMlpParameters {
            norm: [&vector, &vector],
            expand: [&weight, &middle],
            project: [&weight, &vector],
            gamma: Some(&vector),
            factors: None,
        };
        let times = self.times(|| {
            let trains = pass == Pass::ForwardBackward;
            let (_, kept) = self.gpu.pixel_mlp(&mlp, &x, &x, &parameters, trains)?;
            if let Some(Kept { expanded, mean, inv_std }) = &kept {
                let kept = Kept { expanded, mean, inv_std };
                self.gpu.pixel_mlp_backward(&mlp, &x, &parameters, Some(kept), &x, [true; 8])?;
            }
            Ok(())
        })?;
        let (threads, simd, device) = self.place();
        Ok(Record::PixelMlp { pass, rows, c, threads, simd, times, device })
    }
}
