//! Kernels whose invocations work on a row together, with sums and maxima across it.
//!
//! A shader has `row(r, lane, lanes, live)`: invocation `lane` of `lanes` works on row `r` and takes every
//! `lanes`th value. It may call `row_sum(value)` and `row_max(value)`, which return the same value in all
//! lanes. If `live` is false, the row repeats the last one and must not be written.

use crate::kernel::Call;
use crate::{Gpu, Result};

/// Rows of a workgroup.
pub(crate) const ROWS: usize = 4;
/// Invocations of a workgroup.
const SIZE: u32 = 128;

impl Gpu {
    /// A call of the shader `text` for the rows of a matrix; a unit is [`ROWS`] rows. The number of rows is
    /// `p.rows`.
    pub(crate) fn rows<'a>(&'a self, name: &'static str, rows: usize, text: &'static str) -> Call<'a> {
        let subgroups = self.uses_subgroups();
        let across = if subgroups { include_str!("subgroup.wgsl") } else { include_str!("tree.wgsl") };
        let variant = if subgroups { "subgroups" } else { "tree" };
        let whole =
            move || format!("const ROWS: u32 = {ROWS}u;\nconst SIZE: u32 = {SIZE}u;\n{across}\n{text}");
        let call = self.generated(name, variant.to_owned(), whole).blocks(SIZE).scalar("rows", rows);
        if subgroups { call.knowing_subgroups() } else { call }
    }
}

/// Records a call of [`Gpu::rows`] with rows of `columns` values.
pub(crate) fn run(call: Call<'_>, rows: usize, columns: usize) -> Result<()> {
    call.run(rows.div_ceil(ROWS), 1, ROWS * columns)
}
