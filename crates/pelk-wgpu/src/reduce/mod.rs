//! Sums over the rows of matrices: gradients of biases and norms, statistics.
//!
//! A block of rows is summed by one invocation a column, in the order of the rows; then blocks of those sums, until one
//! row is left. The order depends on the shape alone, so sums have the same bits every time.

use crate::check::rows_of;
use crate::kernel::{Each, Operand, View, Whole};
use crate::memory::{Buffer, Element};
use crate::{Gpu, Result};
use std::fmt::Write;

/// Rows that one invocation sums: as few as give a GPU enough invocations, as many as keep the sums few.
pub(crate) const BLOCK: usize = 64;

/// A matrix whose columns are summed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    pub rows: usize,
    pub columns: usize,
}

impl Columns {
    /// For each of `terms` the sums over the rows, `[columns]`. A term is an expression of the values `a` and `b` of the
    /// `matrices` at row `r` and column `column`, and of `operands`: whole ones, or with [`BLOCK`] values each one of each row.
    pub fn sum<const N: usize>(
        self,
        gpu: &Gpu,
        terms: [&str; N],
        matrices: &[&Buffer],
        operands: &[Operand<'_>],
    ) -> Result<[Buffer; N]> {
        let Columns { rows, columns } = self;
        let blocks = rows.div_ceil(BLOCK);
        let partials = gpu.empty(blocks * N * columns, Element::F32)?;
        let text = || sum_text(&terms, matrices.len());
        let mut call = gpu.generated("column_sums", terms.join("; "), text);
        for (name, matrix) in ["x", "g"].into_iter().zip(matrices) {
            call = call.read(name, *matrix, Each(BLOCK * columns));
        }
        call.operands(operands)
            .write("partials", &partials, Each(N * columns))
            .scalar("rows", rows)
            .scalar("columns", columns)
            .run(blocks, columns, BLOCK * columns * N)?;
        let sums = Partials { count: blocks, width: N * columns }.sum(gpu, partials)?;
        split(gpu, sums, columns)
    }
}

fn sum_text(terms: &[&str], matrices: usize) -> String {
    let mut text = format!("const BLOCK: u32 = {BLOCK}u;\nfn item(i: u32) {{\n");
    text.push_str(
        "    let column = i % p.columns;\n    let block = i / p.columns;\n    let begin = block * BLOCK;\n    \
         let end = min(begin + BLOCK, p.rows - p.first * BLOCK);\n",
    );
    let mut line = |line: String| {
        let _ = writeln!(text, "    {line}"); // strings take all
    };
    for i in 0..terms.len() {
        line(format!("var sum_{i} = 0.0;"));
    }
    line("for (var r = begin; r < end; r++) {".to_owned());
    for (value, matrix) in ["a", "b"].into_iter().zip(["x", "g"]).take(matrices) {
        line(format!("    let {value} = load_{matrix}(r * p.columns + column);"));
    }
    for (i, term) in terms.iter().enumerate() {
        line(format!("    sum_{i} += {term};"));
    }
    line("}".to_owned());
    for i in 0..terms.len() {
        line(format!("store_partials((block * {}u + {i}u) * p.columns + column, sum_{i});", terms.len()));
    }
    text.push_str("}\n");
    text
}

/// Rows of sums that are to be added.
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

    /// The sums of blocks whose rows cannot be bound together, in the same order and so to the same bits.
    fn sum_row_by_row(self, gpu: &Gpu, partials: &Buffer) -> Result<Buffer> {
        let Partials { count, width } = self;
        let sums = gpu.zeros(count.div_ceil(BLOCK) * width)?;
        for r in 0..count {
            gpu.items("add_row", "fn item(i: u32) { store_y(i, load_y(i) + load_x(i)); }")
                .read("x", View { buffer: partials, begin: r * width }, Each(1))
                .write("y", View { buffer: &sums, begin: r / BLOCK * width }, Each(1))
                .run(width, 1, 1)?;
        }
        Ok(sums)
    }
}

/// A buffer's parts of `len` values.
pub(crate) fn split<const N: usize>(gpu: &Gpu, buffer: Buffer, len: usize) -> Result<[Buffer; N]> {
    let mut parts = Vec::with_capacity(N);
    if N == 1 {
        parts.push(buffer);
    } else {
        for i in 0..N {
            let part = gpu.empty(len, Element::F32)?;
            gpu.items("take_part", "fn item(i: u32) { store_y(i, load_x(p.begin + i)); }")
                .read("x", &buffer, Whole)
                .write("y", &part, Each(1))
                .scalar("begin", i * len)
                .run(len, 1, 1)?;
            parts.push(part);
        }
    }
    parts.try_into().map_err(|_| gpu.refused("a sum has not as many parts as terms"))
}

impl Gpu {
    /// The sums of `x`, rows of `columns` values, over the rows.
    ///
    /// # Errors
    /// When `x` has no whole rows, or the device has no room or has failed.
    pub fn column_sum(&self, x: &Buffer, columns: usize) -> Result<Buffer> {
        let rows = rows_of("column_sum", x.len(), columns)?;
        let [sum] = Columns { rows, columns }.sum(self, ["a"], &[x], &[])?;
        Ok(sum)
    }

    /// The sum of squares of all values of all buffers, in one download; not finite where a value is not.
    ///
    /// # Errors
    /// When the device has no room or has failed.
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
        // The few sums that are left are added in float64.
        Ok(self.download(&sums)?[..at].iter().map(|&sum| f64::from(sum)).sum())
    }
}
