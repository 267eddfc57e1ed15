//! Resizing images with weights that are the product of a row's and a column's: pooling, interpolation and
//! subsampling, whose gradients have the same form.

use crate::check::expect_len;
use crate::kernel::{Each, Whole};
use crate::memory::Buffer;
use crate::{Gpu, Result};
use pelk_ops::ImageShape;
use pelk_ops::resample::{Axis, bins, every, neighbors, subsampled};

/// An axis on the device: output `i` uses entries `starts[i]..starts[i + 1]` of `inputs` and `weights`.
struct Table {
    integers: Buffer,
    weights: Buffer,
}

impl Table {
    fn new(gpu: &Gpu, axis: &Axis) -> Result<Table> {
        let (mut starts, mut inputs, mut weights) = (vec![0], Vec::new(), Vec::new());
        for taps in axis.taps() {
            inputs.extend(taps.iter().map(|(input, _)| *input as i32));
            weights.extend(taps.iter().map(|(_, weight)| *weight));
            starts.push(inputs.len() as i32);
        }
        starts.append(&mut inputs);
        Ok(Table { integers: gpu.upload_integers(&starts)?, weights: gpu.upload(&weights)? })
    }
}

impl Gpu {
    /// Averages images of `shape` over `size` bins, as PyTorch cuts them.
    ///
    /// # Errors
    /// When a size is zero, lengths do not fit, or the device is out of memory or has failed.
    pub fn adaptive_average(&self, shape: ImageShape, size: [usize; 2], x: &Buffer) -> Result<Buffer> {
        check("adaptive_average", shape, size)?;
        self.resample(
            "adaptive_average",
            [shape.n, shape.c],
            bins(shape.h, size[0]),
            bins(shape.w, size[1]),
            x,
        )
    }

    /// The gradient of [`Gpu::adaptive_average`].
    ///
    /// # Errors
    /// When a size is zero, lengths do not fit, or the device is out of memory or has failed.
    pub fn adaptive_average_backward(
        &self,
        shape: ImageShape,
        size: [usize; 2],
        gy: &Buffer,
    ) -> Result<Buffer> {
        check("adaptive_average_backward", shape, size)?;
        let [rows, columns] = [bins(shape.h, size[0]).transposed(), bins(shape.w, size[1]).transposed()];
        self.resample("adaptive_average_backward", [shape.n, shape.c], rows, columns, gy)
    }

    /// Interpolates images of `shape` to `size`, bilinearly, corners not aligned.
    ///
    /// # Errors
    /// When a size is zero, lengths do not fit, or the device is out of memory or has failed.
    pub fn bilinear(&self, shape: ImageShape, size: [usize; 2], x: &Buffer) -> Result<Buffer> {
        check("bilinear", shape, size)?;
        let [rows, columns] = [neighbors(shape.h, size[0]), neighbors(shape.w, size[1])];
        self.resample("bilinear", [shape.n, shape.c], rows, columns, x)
    }

    /// The gradient of [`Gpu::bilinear`].
    ///
    /// # Errors
    /// When a size is zero, lengths do not fit, or the device is out of memory or has failed.
    pub fn bilinear_backward(&self, shape: ImageShape, size: [usize; 2], gy: &Buffer) -> Result<Buffer> {
        check("bilinear_backward", shape, size)?;
        let [rows, columns] =
            [neighbors(shape.h, size[0]).transposed(), neighbors(shape.w, size[1]).transposed()];
        self.resample("bilinear_backward", [shape.n, shape.c], rows, columns, gy)
    }

    /// Every `step`-th row and column of images of `shape`.
    ///
    /// # Errors
    /// When a size or the step is zero, lengths do not fit, or the device is out of memory or has failed.
    pub fn subsample(&self, shape: ImageShape, step: usize, x: &Buffer) -> Result<Buffer> {
        subsampled(shape, step)?;
        self.resample("subsample", [shape.n, shape.c], every(shape.h, step), every(shape.w, step), x)
    }

    /// The gradient of [`Gpu::subsample`].
    ///
    /// # Errors
    /// When a size or the step is zero, lengths do not fit, or the device is out of memory or has failed.
    pub fn subsample_backward(&self, shape: ImageShape, step: usize, gy: &Buffer) -> Result<Buffer> {
        subsampled(shape, step)?;
        let [rows, columns] = [every(shape.h, step).transposed(), every(shape.w, step).transposed()];
        self.resample("subsample_backward", [shape.n, shape.c], rows, columns, gy)
    }

    fn resample(
        &self,
        operator: &'static str,
        [n, c]: [usize; 2],
        rows: Axis,
        columns: Axis,
        x: &Buffer,
    ) -> Result<Buffer> {
        let input = rows.inputs() * columns.inputs() * c;
        let output = rows.outputs() * columns.outputs() * c;
        expect_len(operator, "the image", x.len(), n * input)?;
        let y = self.activation(n * output)?;
        let [row_table, column_table] = [Table::new(self, &rows)?, Table::new(self, &columns)?];
        let reads = |axis: &Axis| axis.taps().iter().map(Vec::len).sum::<usize>();
        self.items("resample", include_str!("resample.wgsl"))
            .read("x", x, Each(input))
            .read("rows", &row_table.integers, Whole)
            .read("row_weights", &row_table.weights, Whole)
            .read("columns", &column_table.integers, Whole)
            .read("column_weights", &column_table.weights, Whole)
            .write("y", &y, Each(output))
            .scalar("c", c)
            .scalar("w", columns.inputs())
            .scalar("h", rows.inputs())
            .scalar("out_w", columns.outputs())
            .scalar("out_h", rows.outputs())
            .run(n, output, reads(&rows) * reads(&columns) * c)?;
        Ok(y)
    }
}

fn check(operator: &'static str, shape: ImageShape, size: [usize; 2]) -> Result<()> {
    ImageShape::checked(operator, shape.n, shape.h, shape.w, shape.c)?;
    ImageShape::checked(operator, shape.n, size[0], size[1], shape.c)?;
    Ok(())
}
