//! Matrix products in tiles, fused with the operations before and after them.

use crate::check::{expect_len, wanted};
use crate::kernel::{Each, Operand, View, Whole};
use crate::memory::{Buffer, Element};
use crate::reduce::Partials;
use crate::{Gpu, Result};

/// Rows of a tile.
pub(crate) const ROWS: usize = 64;
/// Columns of a tile: the narrower one if the output has few.
const COLUMNS: [usize; 2] = [32, 64];
/// Target number of workgroups of a split sum: enough for the largest GPUs.
const WORKGROUPS: usize = 512;
/// The fewest terms in a part of a split sum.
const SHORTEST: usize = 128;

/// The shader that stores an output unchanged.
const STORE: &str = include_str!("store.wgsl");

/// `finish(m, n, sum over k of a[m, k] b[k, n])`, `[M, N]`.
///
/// `a`, `b` and `finish` are shaders that define `operand_a`, `operand_b` and `finish`; the table in
/// [`pipeline`](crate::pipeline) lists what they may use.
#[derive(Clone, Copy)]
pub(crate) struct Product<'t> {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    /// The value `a[m, k]`.
    pub a: &'t str,
    /// The value `b[k, n]`.
    pub b: &'t str,
    /// Processes and stores an output.
    pub finish: &'t str,
    /// Functions that the other three use.
    pub helpers: &'t str,
}

/// Layout of the second operand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `[K, N]`
    Plain,
    /// `[N, K]`
    Transposed,
}

impl<'t> Product<'t> {
    /// A plain product, whose output is stored as `y`.
    pub fn plain(m: usize, n: usize, k: usize) -> Product<'t> {
        let (a, b) = (include_str!("load_a.wgsl"), include_str!("load_b.wgsl"));
        Product { m, n, k, a, b, finish: STORE, helpers: "" }
    }

    fn columns(self) -> usize {
        if self.n <= COLUMNS[0] { COLUMNS[0] } else { COLUMNS[1] }
    }

    /// Records the product of `a`, `[M, K]`, and `b` into `y`, `[M, N]`, with the `operands` of its shaders.
    /// A unit is [`ROWS`] rows.
    pub fn record<'a>(
        self,
        gpu: &Gpu,
        a: impl Into<View<'a>>,
        (b, layout): (&Buffer, Layout),
        y: impl Into<View<'a>>,
        operands: &[Operand<'_>],
    ) -> Result<()> {
        let (a, y): (View<'_>, View<'_>) = (a.into(), y.into());
        let (columns, b_in_rows) = (self.columns(), layout == Layout::Plain);
        let Product { a: load_a, b: load_b, finish, helpers, .. } = self;
        let variant = format!("{columns} {b_in_rows} {helpers}{load_a}{load_b}{finish}");
        let text = move || self.text(false, [true, b_in_rows], finish);
        let call = gpu
            .generated("product", variant, text)
            .blocks((ROWS * columns / 64) as u32)
            .read("a", a, Each(ROWS * self.k))
            .read("b", b, Whole)
            .scalar("m", self.m)
            .scalar("n", self.n)
            .scalar("k", self.k)
            .scalar("k_part", self.k)
            .write("y", y, Each(ROWS * self.n))
            .operands(operands);
        let tiles = self.n.div_ceil(columns);
        call.run(self.m.div_ceil(ROWS), tiles, ROWS * self.n * self.k)
    }

    /// The product `[M, N]` of `a`, `[K, M]`, and `b`, `[K, N]`: a sum over their many rows. `operands` gets
    /// the number of rows of a unit.
    pub fn over_rows<'a>(
        self,
        gpu: &Gpu,
        a: impl Into<View<'a>>,
        b: impl Into<View<'a>>,
        operands: impl FnOnce(usize) -> Vec<Operand<'a>>,
    ) -> Result<Buffer> {
        let Product { m, n, k, .. } = self;
        let (a, b): (View<'_>, View<'_>) = (a.into(), b.into());
        let columns = self.columns();
        let tiles = m.div_ceil(ROWS) * n.div_ceil(columns);
        let parts = (WORKGROUPS / tiles).clamp(1, k.div_ceil(SHORTEST));
        let k_part = k.div_ceil(parts);
        let parts = k.div_ceil(k_part);
        let partials = gpu.empty(parts * m * n, Element::F32)?;
        let variant = format!("{columns} {}{}{}", self.helpers, self.a, self.b);
        // Partial sums are stored unchanged.
        let text = move || self.text(true, [false, true], STORE);
        let call = gpu
            .generated("product_over_rows", variant, text)
            .blocks((ROWS * columns / 64) as u32)
            .read("a", a, Each(k_part * m))
            .read("b", b, Each(k_part * n))
            .write("y", &partials, Each(m * n))
            .scalar("m", m)
            .scalar("n", n)
            .scalar("k", k)
            .scalar("k_part", k_part)
            .operands(&operands(k_part));
        call.run(parts, tiles, k_part * m * n)?;
        Partials { count: parts, width: m * n }.sum(gpu, partials)
    }

    fn text(self, split: bool, [a_in_rows, b_in_rows]: [bool; 2], finish: &str) -> String {
        let Product { a, b, helpers, .. } = self;
        let (columns, product) = (self.columns(), include_str!("product.wgsl"));
        format!(
            "const ROWS: u32 = {ROWS}u;\n\
             const COLUMNS: u32 = {columns}u;\n\
             const SPLIT: bool = {split};\n\
             const A_IN_ROWS: bool = {a_in_rows};\n\
             const B_IN_ROWS: bool = {b_in_rows};\n\
             {helpers}{a}{b}{finish}{product}"
        )
    }
}

impl Gpu {
    /// `y = x W^T + b`: x `[rows, inputs]`, weight `[outputs, inputs]`, bias `[outputs]`.
    ///
    /// # Errors
    /// When lengths do not fit, or the device is out of memory or has failed.
    pub fn linear(
        &self,
        [rows, inputs, outputs]: [usize; 3],
        x: &Buffer,
        weight: &Buffer,
        bias: Option<&Buffer>,
    ) -> Result<Buffer> {
        check("linear", [rows, inputs, outputs], x, weight, bias)?;
        let y = self.activation(rows * outputs)?;
        self.linear_into([rows, inputs, outputs], x, weight, bias, (&y).into())?;
        Ok(y)
    }

    /// [`Gpu::linear`] from `rows` of `x` to those of `y`.
    pub(crate) fn linear_into(
        &self,
        [rows, inputs, outputs]: [usize; 3],
        x: &Buffer,
        weight: &Buffer,
        bias: Option<&Buffer>,
        y: View<'_>,
    ) -> Result<()> {
        let finish = if bias.is_some() { include_str!("store_with_bias.wgsl") } else { STORE };
        let product = Product { finish, ..Product::plain(rows, outputs, inputs) };
        let bias = bias.map(|bias| Operand::Tensor("bias", bias, Whole));
        product.record(self, x, (weight, Layout::Transposed), y, bias.as_slice())
    }

    /// The gradients of x, weight and bias for [`Gpu::linear`], where `needs` is true.
    ///
    /// # Errors
    /// When lengths do not fit, or the device is out of memory or has failed.
    pub fn linear_backward(
        &self,
        [rows, inputs, outputs]: [usize; 3],
        x: &Buffer,
        weight: &Buffer,
        gy: &Buffer,
        needs: [bool; 3],
    ) -> Result<[Option<Buffer>; 3]> {
        check("linear_backward", [rows, inputs, outputs], x, weight, None)?;
        expect_len("linear_backward", "gy", gy.len(), rows * outputs)?;
        let gx = || {
            let gx = self.activation(rows * inputs)?;
            let product = Product::plain(rows, inputs, outputs);
            product.record(self, gy, (weight, Layout::Plain), &gx, &[])?;
            Ok(gx)
        };
        let gweight = || Product::plain(outputs, inputs, rows).over_rows(self, gy, x, |_| Vec::new());
        Ok([
            wanted(needs[0], gx)?,
            wanted(needs[1], gweight)?,
            wanted(needs[2], || self.column_sum(gy, outputs))?,
        ])
    }
}

fn check(
    operator: &'static str,
    [rows, inputs, outputs]: [usize; 3],
    x: &Buffer,
    weight: &Buffer,
    bias: Option<&Buffer>,
) -> Result<()> {
    expect_len(operator, "x", x.len(), rows * inputs)?;
    expect_len(operator, "weight", weight.len(), outputs * inputs)?;
    bias.map_or(Ok(()), |bias| expect_len(operator, "bias", bias.len(), outputs))
}
