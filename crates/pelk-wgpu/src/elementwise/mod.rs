//! Element-wise operators: each output value depends on the input values at its place only.

use crate::check::{expect_len, rows_of, shape_error};
use crate::kernel::{Each, Operand, Whole};
use crate::memory::{Buffer, Element};
use crate::reduce::Columns;
use crate::{Gpu, Result};

impl Gpu {
    /// Runs a shader with `operands` on every value of `y`; a dispatch's indices begin at the start of a row
    /// of `row` values.
    fn map(
        &self,
        name: &'static str,
        text: &'static str,
        y: &Buffer,
        row: usize,
        operands: &[Operand<'_>],
    ) -> Result<()> {
        let rows = y.len() / row.max(1);
        self.items(name, text).write("y", y, Each(row)).operands(operands).run(rows, row, row)
    }

    /// A new tensor of the inputs' size; the shader computes each value from the inputs' values at its place.
    fn pointwise(
        &self,
        name: &'static str,
        text: &'static str,
        inputs: &[(&'static str, &Buffer)],
    ) -> Result<Buffer> {
        let len = inputs[0].1.len();
        for (_, input) in inputs {
            expect_len(name, "an input", input.len(), len)?;
        }
        let y = self.activation(len)?;
        let operands = inputs.iter().map(|&(name, input)| Operand::Tensor(name, input, Each(1)));
        self.map(name, text, &y, 1, &operands.collect::<Vec<_>>())?;
        Ok(y)
    }

    /// Converts the values to `element`.
    ///
    /// # Errors
    /// When the device is out of memory or has failed.
    pub fn convert(&self, x: &Buffer, element: Element) -> Result<Buffer> {
        let y = self.empty(x.len(), element)?;
        let operands = [Operand::Tensor("x", x, Each(1))];
        self.map("convert", include_str!("convert.wgsl"), &y, 1, &operands)?;
        Ok(y)
    }

    /// `x Phi(x)`.
    ///
    /// # Errors
    /// When the device is out of memory or has failed.
    pub fn gelu(&self, x: &Buffer) -> Result<Buffer> {
        self.pointwise("gelu", include_str!("gelu.wgsl"), &[("x", x)])
    }

    /// The gradient of [`Gpu::gelu`].
    ///
    /// # Errors
    /// When lengths differ, or the device is out of memory or has failed.
    pub fn gelu_backward(&self, x: &Buffer, gy: &Buffer) -> Result<Buffer> {
        self.pointwise("gelu_backward", include_str!("gelu_backward.wgsl"), &[("x", x), ("gy", gy)])
    }

    /// `max(x, 0)`.
    ///
    /// # Errors
    /// When the device is out of memory or has failed.
    pub fn relu(&self, x: &Buffer) -> Result<Buffer> {
        self.pointwise("relu", include_str!("relu.wgsl"), &[("x", x)])
    }

    /// The gradient of [`Gpu::relu`].
    ///
    /// # Errors
    /// When lengths differ, or the device is out of memory or has failed.
    pub fn relu_backward(&self, x: &Buffer, gy: &Buffer) -> Result<Buffer> {
        self.pointwise("relu_backward", include_str!("relu_backward.wgsl"), &[("x", x), ("gy", gy)])
    }

    /// `a + b`.
    ///
    /// # Errors
    /// When lengths differ, or the device is out of memory or has failed.
    pub fn add(&self, a: &Buffer, b: &Buffer) -> Result<Buffer> {
        self.pointwise("add", include_str!("add.wgsl"), &[("a", a), ("b", b)])
    }

    /// `a += b`.
    ///
    /// # Errors
    /// When lengths differ, or the device has failed.
    pub fn add_assign(&self, a: &Buffer, b: &Buffer) -> Result<()> {
        expect_len("add_assign", "the second term", b.len(), a.len())?;
        self.map("add_assign", include_str!("add_assign.wgsl"), a, 1, &[Operand::Tensor("x", b, Each(1))])
    }

    /// `x *= factor`.
    ///
    /// # Errors
    /// When the device has failed.
    pub fn scale_assign(&self, x: &Buffer, factor: f32) -> Result<()> {
        let operands = [Operand::Number("factor", factor.into())];
        self.map("scale_assign", include_str!("scale_assign.wgsl"), x, 1, &operands)
    }

    /// `average += weight (x - average)`: the step of an exponential moving average.
    ///
    /// # Errors
    /// When lengths differ, or the device has failed.
    pub fn lerp_assign(&self, average: &Buffer, x: &Buffer, weight: f32) -> Result<()> {
        expect_len("lerp_assign", "x", x.len(), average.len())?;
        let operands = [Operand::Tensor("x", x, Each(1)), Operand::Number("weight", weight.into())];
        self.map("lerp_assign", include_str!("lerp_assign.wgsl"), average, 1, &operands)
    }

    /// [`Gpu::lerp_assign`] of sparse values, where 0 means absent.
    ///
    /// # Errors
    /// When lengths differ, or the device has failed.
    pub fn sparse_lerp_assign(&self, average: &Buffer, x: &Buffer, weight: f32) -> Result<()> {
        expect_len("sparse_lerp_assign", "x", x.len(), average.len())?;
        let operands = [Operand::Tensor("x", x, Each(1)), Operand::Number("weight", weight.into())];
        self.map("sparse_lerp_assign", include_str!("sparse_lerp_assign.wgsl"), average, 1, &operands)
    }

    /// `y *= x`.
    ///
    /// # Errors
    /// When lengths differ, or the device has failed.
    pub fn mul_assign(&self, y: &Buffer, x: &Buffer) -> Result<()> {
        expect_len("mul_assign", "the second factor", x.len(), y.len())?;
        self.map("mul_assign", include_str!("mul_assign.wgsl"), y, 1, &[Operand::Tensor("x", x, Each(1))])
    }

    /// `y[r, c] = x[r, c] gamma[c]`.
    ///
    /// # Errors
    /// When lengths do not fit, or the device is out of memory or has failed.
    pub fn scale_channels(&self, x: &Buffer, gamma: &Buffer) -> Result<Buffer> {
        let c = gamma.len();
        rows_of("scale_channels", x.len(), c)?;
        let y = self.activation(x.len())?;
        let operands = [
            Operand::Tensor("x", x, Each(c)),
            Operand::Tensor("gamma", gamma, Whole),
            Operand::Number("c", c.into()),
        ];
        self.map("scale_channels", include_str!("scale_channels.wgsl"), &y, c, &operands)?;
        Ok(y)
    }

    /// The gradient of gamma for [`Gpu::scale_channels`]; that of x is [`Gpu::scale_channels`] of `gy`.
    ///
    /// # Errors
    /// When lengths do not fit, or the device is out of memory or has failed.
    pub fn scale_channels_backward_gamma(&self, x: &Buffer, gy: &Buffer, c: usize) -> Result<Buffer> {
        expect_len("scale_channels_backward", "gy", gy.len(), x.len())?;
        let rows = rows_of("scale_channels_backward", x.len(), c)?;
        Columns { rows, columns: c }.sum(self, include_str!("gamma_gradient.wgsl"), &[x, gy], &[])
    }

    /// `y[n, ..] = x[n, ..] factors[n]`, or with a factor for each channel of each sample `y[n, .., c] = x[n,
    /// .., c] factors[n, c]`.
    ///
    /// # Errors
    /// When lengths do not fit, or the device is out of memory or has failed.
    pub fn scale_samples(&self, samples: usize, x: &Buffer, factors: &[f32]) -> Result<Buffer> {
        rows_of("scale_samples", x.len(), factors.len())?;
        let [sample, channels] =
            [rows_of("scale_samples", x.len(), samples)?, rows_of("scale_samples", factors.len(), samples)?];
        // Stored like x, which may be a parameter and need more than 16 bits.
        let (y, factors) = (self.empty(x.len(), x.element())?, self.upload(factors)?);
        self.items("scale_samples", include_str!("scale_samples.wgsl"))
            .read("x", x, Each(sample))
            .read("factors", &factors, Whole)
            .write("y", &y, Each(sample))
            .scalar("sample", sample)
            .scalar("channels", channels)
            .run(samples, sample, sample)?;
        Ok(y)
    }

    /// Columns `from..from + width` of a matrix with `columns` columns.
    ///
    /// # Errors
    /// When they do not exist, or the device is out of memory or has failed.
    pub fn take_columns(&self, x: &Buffer, columns: usize, from: usize, width: usize) -> Result<Buffer> {
        let rows = rows_of("take_columns", x.len(), columns)?;
        if width == 0 || from.checked_add(width).is_none_or(|end| end > columns) {
            return Err(shape_error(
                "take_columns",
                format!("columns {from} to {from} + {width} are not all among {columns}"),
            ));
        }
        let y = self.activation(rows * width)?;
        self.items("take_columns", include_str!("take_columns.wgsl"))
            .read("x", x, Each(columns))
            .write("y", &y, Each(width))
            .scalar("columns", columns)
            .scalar("begin", from)
            .scalar("width", width)
            .run(rows, width, width)?;
        Ok(y)
    }

    /// Joins matrices side by side, `[a | b | ..]`, each given with its number of columns.
    ///
    /// # Errors
    /// When their numbers of rows differ, or the device is out of memory or has failed.
    pub fn join_columns(&self, parts: &[(&Buffer, usize)]) -> Result<Buffer> {
        let Some(&(first, width)) = parts.first() else {
            return Err(shape_error("join_columns", "there is nothing to join".to_owned()));
        };
        let rows = rows_of("join_columns", first.len(), width)?;
        let columns = parts.iter().map(|(_, width)| width).sum();
        let y = self.activation(rows * columns)?;
        let mut begin = 0;
        for &(part, width) in parts {
            expect_len("join_columns", "a part", part.len(), rows * width)?;
            self.items("join_columns", include_str!("join_columns.wgsl"))
                .read("part", part, Each(width))
                .write("y", &y, Each(columns))
                .scalar("columns", columns)
                .scalar("begin", begin)
                .scalar("width", width)
                .run(rows, width, width)?;
            begin += width;
        }
        Ok(y)
    }
}
