//! How a product is cut: sizes of blocks for the caches, tasks for the cores.
//!
//! The constants were tuned on the products of PeLK-T's pixel MLPs, ConvNeXt-T's, and a few others, with one
//! and two threads (AMD EPYC with AVX-512: caches of 32 KiB, 1 MiB and 32 MiB; levels `avx2` and `avx512`).

use super::matrix::Matrix;
use super::pack::{Blocking, Layout};
use pelk_simd::Level;

/// Fewest tasks of a product that is large enough. The cut must not depend on the cores at hand, or results
/// would; 16 keep a desktop busy.
const TASKS: usize = 16;
/// Fewest multiply-adds worth a task of their own: 20 to 40 microseconds of one core.
const TASK_WORK: usize = 1 << 20;
/// Most rows of a task's block. With 512 summands they are 216 KiB, and lie in a level-2 cache beside the
/// panels.
const ROWS: usize = 108;
/// Most rows of a product that is cut along its columns and summands alone: each panel is used too few times
/// for a pass that packs all of them first.
const FEW_ROWS: usize = 200;
/// Most rows of a product whose row-major right operand is read where it lies, because packing it would cost
/// more than unaligned loads do.
const IN_PLACE_ROWS: usize = 100;
/// Summands of a block where both operands are read along them.
const DEPTH: usize = 256;
/// The same where there are not many more: one block saves a pass over the output.
const ONE_BLOCK: usize = 512;
/// Fewest summands of a part of the sum: each part costs a pass over the output.
const LEAST_DEPTH: usize = 384;
/// The same where there are few rows, so that parts of the right operand are many whole rows, which memory
/// delivers faster than pieces of rows.
const LEAST_DEPTH_FEW_ROWS: usize = 768;
/// A sum is long, and worth cutting, when it has this many times as many summands as the output has rows or
/// columns.
const LONG_SUM: usize = 4;

/// The blocks of a product whose operands are row-major.
pub(super) const ROW_MAJOR: Blocking = Blocking { depth: DEPTH, blocks: 1, group: 16 };

/// How the right operand is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operand {
    /// Packed as a whole, before everything else.
    PackedFirst,
    /// Packed by each task, some panels at a time.
    ByGroups,
    /// Where it lies.
    InPlace,
}

/// How a product is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// Blocks of rows, of panels, and parts of the sum.
    pub rows: usize,
    pub panels: usize,
    pub parts: usize,
    /// The right operand's panels.
    pub layout: Layout,
    pub right: Operand,
}

impl Plan {
    /// For the product of `a` and `b`.
    pub fn new(level: Level, a: Matrix<'_>, b: Matrix<'_>) -> Self {
        let (m, n, k) = (a.rows, b.columns, a.columns);
        let layout = Layout::new(level, k, n, blocking(level, a, b));
        let tasks = m.saturating_mul(n).saturating_mul(k).div_ceil(TASK_WORK).min(TASKS);
        let few_rows = m <= FEW_ROWS;
        let right = match (a.column_stride, b.column_stride) {
            (1, 1) if m <= IN_PLACE_ROWS => Operand::InPlace,
            _ => Operand::ByGroups,
        };
        let blocks = m.div_ceil(ROWS) * layout.panels();
        let parts = if k >= LONG_SUM * m.max(n) && (a.column_stride > 1 || blocks < TASKS) {
            tasks.min(k / LEAST_DEPTH)
        } else if few_rows && b.column_stride == 1 {
            (k / LEAST_DEPTH_FEW_ROWS).min(4)
        } else {
            1
        };
        if parts > 1 {
            let parts = if parts > 4 { parts / 4 * 4 } else { parts };
            return Self { rows: 1, panels: (tasks / parts).clamp(1, layout.panels()), parts, layout, right };
        }
        let by_panel = few_rows && b.column_stride > 1 && a.column_stride == 1;
        // Multiples of four keep two and four cores equally busy.
        let rows = match m.div_ceil(ROWS) {
            _ if by_panel => 1,
            rows @ ..=2 => rows,
            rows => rows.next_multiple_of(4),
        };
        // matrixmultiply packs for itself.
        let right = if rows > 1 && level != Level::PORTABLE { Operand::PackedFirst } else { right };
        Self { rows, panels: (tasks / rows).clamp(1, layout.panels()), parts: 1, layout, right }
    }
}

/// The blocks of a right operand that is packed once for many products with row-major left ones.
pub(super) fn ahead(summands: usize) -> Blocking {
    Blocking { depth: depth(summands), ..ROW_MAJOR }
}

/// Summands of a block where the left operand is row-major. The right one has no say, so that a sum is added
/// in the same order however that one is read.
fn depth(summands: usize) -> usize {
    if summands <= ONE_BLOCK { ONE_BLOCK } else { DEPTH }
}

/// The blocks that suit the operands.
fn blocking(level: Level, a: Matrix<'_>, b: Matrix<'_>) -> Blocking {
    let depth = depth(a.columns);
    match (a.column_stride, b.column_stride) {
        // Each panel is packed into the nearest cache and used at once, four blocks of a column one after the
        // other: so the matrix is read along its columns.
        (1, 2..) if a.rows <= FEW_ROWS => Blocking { depth, blocks: 4, group: 1 },
        (1, _) => Blocking { depth, ..ROW_MAJOR },
        // A tile reads a whole line of `a` for each summand, and the next tile the rest of the line.
        _ => Blocking { depth: if level.lanes() == 16 { 400 } else { 128 }, ..ROW_MAJOR },
    }
}
