//! Sums over matrix rows, for statistics and the gradients of biases and normalizations.
//!
//! One invocation per column sums a block of rows in order; then blocks of these sums are summed, until one
//! row is left. The order depends on the shape alone, so sums have the same bits every time.

use crate::check::rows_of;
use crate::kernel::{Each, Operand, View, Whole};
use crate::memory::{Buffer, Element};
use crate::{Gpu, Result};

/// Rows that one invocation sums: few enough for a GPU to have enough invocations, and enough that few sums
/// are left.
pub(crate) const BLOCK: usize = 64;

/// A matrix whose columns are summed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    pub rows: usize,
    pub columns: usize,
}

impl Columns {
    /// The sums over the rows, `[columns]`, of one term, which the shader `term` computes from the
    /// `matrices`, `x` and `g`, and the `operands`: whole tensors, or ones with one value per row ([`BLOCK`]
    /// for each unit).
    pub fn sum(
        self,
        gpu: &Gpu,
        term: &str,
        matrices: &[&Buffer],
        operands: &[Operand<'_>],
    ) -> Result<Buffer> {
        self.sums(gpu, [include_str!("one_term.wgsl"), term], 1, matrices, operands)
    }

    /// [`Columns::sum`] of two terms at once, which read the matrices once.
    pub fn sum_two(
        self,
        gpu: &Gpu,
        terms: &str,
        matrices: &[&Buffer],
        operands: &[Operand<'_>],
    ) -> Result<[Buffer; 2]> {
        let sums = self.sums(gpu, [include_str!("two_terms.wgsl"), terms], 2, matrices, operands)?;
        let part = |begin: usize| -> Result<Buffer> {
            let part = gpu.empty(self.columns, Element::F32)?;
            gpu.items("take_part", include_str!("take_part.wgsl"))
                .read("x", &sums, Whole)
                .write("y", &part, Each(1))
                .scalar("begin", begin)
                .run(self.columns, 1, 1)?;
            Ok(part)
        };
        Ok([part(0)?, part(self.columns)?])
    }

    /// The sums of `count` terms, `[count, columns]`.
    fn sums(
        self,
        gpu: &Gpu,
        terms: [&str; 2],
        count: usize,
        matrices: &[&Buffer],
        operands: &[Operand<'_>],
    ) -> Result<Buffer> {
        let Columns { rows, columns } = self;
        let blocks = rows.div_ceil(BLOCK);
        let partials = gpu.empty(blocks * count * columns, Element::F32)?;
        let terms = terms.concat();
        let text = || format!("const BLOCK: u32 = {BLOCK}u;\n{terms}{}", include_str!("column_sums.wgsl"));
        let mut call = gpu.generated("column_sums", terms.clone(), text);
        for (name, matrix) in ["x", "g"].into_iter().zip(matrices) {
            call = call.read(name, *matrix, Each(BLOCK * columns));
        }
        call.operands(operands)
            .write("partials", &partials, Each(count * columns))
            .scalar("rows", rows)
            .scalar("columns", columns)
            .run(blocks, columns, BLOCK * columns * count)?;
        Partials { count: blocks, width: count * columns }.sum(gpu, partials)
    }
}

/// Rows of sums to add.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Partials {
    pub count: usize,
    pub width: usize,
}

impl Partials {
    /// The sum of the rows of `partials`.
    pub fn sum(self, gpu: &Gpu, partials: Buffer) -> Result<Buffer> {
        let Partials { mut count, width } = self;
        let mut partials = partials;
        while count > 1 {
            let blocks = count.div_ceil(BLOCK);
            let bytes = |rows: usize| (rows * width) as u64 * Element::F32.bytes();
            if bytes(count).min(bytes(BLOCK + 1)) > gpu.limits().max_storage_buffer_binding_size {
                (partials, count) = (Partials { count, width }.sum_row_by_row(gpu, &partials)?, blocks);
                continue;
            }
            let sums = gpu.empty(blocks * width, Element::F32)?;
            gpu.items("partial_sums", include_str!("partial_sums.wgsl"))
                .read("x", &partials, Each(BLOCK * width))
                .write("y", &sums, Each(width))
                .scalar("rows", count)
                .scalar("width", width)
                .scalar("block", BLOCK)
                .run(blocks, width, BLOCK * width)?;
            (partials, count) = (sums, blocks);
        }
        Ok(partials)
    }

    /// The sums of blocks whose rows cannot be bound together, in the same order and so with the same bits.
    fn sum_row_by_row(self, gpu: &Gpu, partials: &Buffer) -> Result<Buffer> {
        let Partials { count, width } = self;
        let sums = gpu.zeros(count.div_ceil(BLOCK) * width)?;
        for r in 0..count {
            gpu.items("add_row", include_str!("add_row.wgsl"))
                .read("x", View { buffer: partials, begin: r * width }, Each(1))
                .write("y", View { buffer: &sums, begin: r / BLOCK * width }, Each(1))
                .run(width, 1, 1)?;
        }
        Ok(sums)
    }
}

impl Gpu {
    /// The sums over the rows of `x`, which have `columns` values each.
    ///
    /// # Errors
    /// When the rows of `x` are not whole, or the device is out of memory or has failed.
    pub fn column_sum(&self, x: &Buffer, columns: usize) -> Result<Buffer> {
        let rows = rows_of("column_sum", x.len(), columns)?;
        Columns { rows, columns }.sum(self, include_str!("value.wgsl"), &[x], &[])
    }

    /// The sum of squares of all values of all buffers, in one download; not finite if a value is not.
    ///
    /// # Errors
    /// When the device is out of memory or has failed.
    pub fn sum_of_squares(&self, buffers: &[&Buffer]) -> Result<f64> {
        const STRIDE: usize = 4096;
        let blocks: Vec<usize> = buffers.iter().map(|buffer| buffer.len().div_ceil(STRIDE)).collect();
        let sums = self.empty(blocks.iter().sum::<usize>().max(1), Element::F32)?;
        let mut at = 0;
        for (buffer, &blocks) in buffers.iter().zip(&blocks) {
            self.items("squares", include_str!("squares.wgsl"))
                .read("x", *buffer, Each(STRIDE))
                .write("sums", &sums, Whole)
                .scalar("len", buffer.len())
                .scalar("stride", STRIDE)
                .scalar("at", at)
                .run(blocks, 1, STRIDE)?;
            at += blocks;
        }
        // The few remaining sums are added in float64.
        Ok(self.download(&sums)?[..at].iter().map(|&sum| f64::from(sum)).sum())
    }
}
