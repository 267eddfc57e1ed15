//! Resizing images with weights that are the product of a row's and a column's: pooling, interpolation and
//! subsampling, whose gradients have the same form.

use crate::check::expect_len;
use crate::kernel::{Each, Whole};
use crate::memory::Buffer;
use crate::{Gpu, Result};
use pelk_ops::ImageShape;
use pelk_ops::resample::{Axis, output};

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
    /// Applies `rows` and `columns` to each channel of images of `shape`. The gradient is the same along the
    /// transposed axes.
    ///
    /// # Errors
    /// When the axes take images of another size, lengths do not fit, or the device is out of memory or has
    /// failed.
    pub fn resample(&self, shape: ImageShape, rows: &Axis, columns: &Axis, x: &Buffer) -> Result<Buffer> {
        let output = output(shape, rows, columns)?;
        expect_len("resample", "the image", x.len(), shape.len())?;
        let y = self.activation(output.len())?;
        let [row_table, column_table] = [Table::new(self, rows)?, Table::new(self, columns)?];
        let reads = |axis: &Axis| axis.taps().iter().map(Vec::len).sum::<usize>();
        let image = |shape: ImageShape| shape.h * shape.w * shape.c;
        self.items("resample", include_str!("resample.wgsl"))
            .read("x", x, Each(image(shape)))
            .read("rows", &row_table.integers, Whole)
            .read("row_weights", &row_table.weights, Whole)
            .read("columns", &column_table.integers, Whole)
            .read("column_weights", &column_table.weights, Whole)
            .write("y", &y, Each(image(output)))
            .scalar("c", shape.c)
            .scalar("w", shape.w)
            .scalar("h", shape.h)
            .scalar("out_w", output.w)
            .scalar("out_h", output.h)
            .run(shape.n, image(output), reads(rows) * reads(columns) * shape.c)?;
        Ok(y)
    }
}
