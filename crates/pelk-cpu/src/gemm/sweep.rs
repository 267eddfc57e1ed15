//! Tiles and panels of a block, one after the other: what they share stays in the nearest cache, and what
//! comes next is prefetched.

use super::left::Left;
use super::tile::{Run, tile_heights};
use pelk_simd::Level;

/// Values of a cache line.
pub(super) const LINE: usize = 16;

/// `c (+)= a b` for some rows of `a` and some neighboring panels.
#[derive(Clone, Copy)]
pub(super) struct Sweep {
    /// The rows of `a`.
    pub a: Left,
    /// Rows to compute.
    pub rows: usize,
    /// Columns of `a` to pass over.
    pub skip: usize,
    /// Summands: columns of `a`, rows of the panels.
    pub depth: usize,
    /// The panels.
    pub b: Panels,
    /// Panels, given as vectors of a row and numbers of panels of that width.
    pub widths: [(usize, usize); 2],
    /// First value of the output.
    pub c: *mut f32,
    /// From one row of the output to the next.
    pub c_stride: usize,
    /// Values of an output row: the last vector may have fewer than its lanes.
    pub columns: usize,
    /// Add to the output rather than overwrite it.
    pub accumulate: bool,
    /// Which loop is inside.
    pub order: Order,
    /// What the panels after each panel will be packed from, if they will be.
    pub source: Option<Ahead>,
}

/// Where the panels of a sweep lie.
#[derive(Clone, Copy)]
pub(super) enum Panels {
    /// `[depth][vectors * lanes]` each, aligned to vectors, one after the other.
    Packed {
        /// The first value.
        first: *const f32,
    },
    /// In a row-major matrix, side by side; all their vectors are whole.
    Rows {
        /// The first value.
        first: *const f32,
        /// Values from one row to the next.
        stride: usize,
    },
}

impl Panels {
    fn first(&self) -> *const f32 {
        match *self {
            Self::Packed { first } | Self::Rows { first, .. } => first,
        }
    }

    /// From one row of a panel to the next, and from a panel to the next.
    fn strides(&self, depth: usize, width: usize) -> [usize; 2] {
        match *self {
            Self::Packed { .. } => [width, depth * width],
            Self::Rows { stride, .. } => [stride, width],
        }
    }
}

/// The order of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// All tiles of a panel, then the next panel: the panel stays in the nearest cache.
    Panels,
    /// All panels of a tile, then the next tile: the tile's rows of `a` do, for few panels.
    Tiles,
}

/// Lines to be prefetched: runs of as many lines as `depth` values have. Each step asks for two runs for each
/// vector of the panel.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    /// The first value of the first run.
    pub first: *const f32,
    /// From one run to the next.
    pub apart: usize,
    /// From one line of a run to the next.
    pub step: usize,
    /// Number of runs.
    pub runs: usize,
}

impl Ahead {
    /// Nothing: the line at `near` again and again.
    fn nothing(near: *const f32) -> Self {
        Self { first: near, apart: 0, step: 0, runs: 0 }
    }

    /// Without the first runs.
    pub fn after(self, runs: usize) -> Self {
        match self.runs.checked_sub(runs) {
            Some(left) if left > 0 => {
                Self { first: self.first.wrapping_add(runs * self.apart), runs: left, ..self }
            }
            _ => Self::nothing(self.first),
        }
    }
}

impl Sweep {
    /// Computes the rows and panels.
    ///
    /// # Safety
    /// `a` and `b` must be readable and `c` writable over the stated sizes, and no other thread may use that
    /// part of `c`.
    pub unsafe fn run(self, level: Level) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.order {
                Order::Panels => self.by_panels(level),
                Order::Tiles => self.by_tiles(level),
            }
        }
    }

    /// # Safety
    /// Same as [`Sweep::run`].
    unsafe fn by_panels(self, level: Level) {
        let lanes = level.lanes();
        let (mut b, mut first) = (self.b.first(), 0);
        for (vectors, panels) in self.widths {
            let [b_row, b_panel] = self.b.strides(self.depth, vectors * lanes);
            for _ in 0..panels {
                let columns = (self.columns - first).min(vectors * lanes);
                let mut ahead = match (self.source, self.b) {
                    (Some(source), _) => source,
                    (None, Panels::Packed { .. }) => Ahead {
                        first: b.wrapping_add(b_panel),
                        apart: self.depth,
                        step: LINE,
                        runs: vectors * lanes,
                    },
                    // Each run has the lines of one column of lines, from row to row.
                    (None, Panels::Rows { stride, .. }) => {
                        Ahead { first: b.wrapping_add(b_panel), apart: LINE, step: stride, runs: usize::MAX }
                    }
                };
                let mut done = 0;
                for (height, tiles) in tile_heights(lanes, self.rows) {
                    // SAFETY: rows `done` and following are within the sweep, and so is this panel.
                    unsafe {
                        let (a, a_strides, neighbors) = self.tile(done, height);
                        let c = self.c.add(done * self.c_stride + first);
                        let strides = [a_strides[0], 0, height * self.c_stride];
                        let run = Run {
                            a,
                            a_strides,
                            neighbors,
                            b,
                            b_row,
                            c,
                            columns,
                            steps: tiles,
                            strides,
                            ahead,
                            sweep: &self,
                        };
                        run.run(level, height, vectors);
                    }
                    ahead = ahead.after(tiles * 2 * vectors);
                    done += height * tiles;
                }
                b = b.wrapping_add(b_panel);
                first += vectors * lanes;
            }
        }
    }

    /// # Safety
    /// Same as [`Sweep::run`].
    unsafe fn by_tiles(self, level: Level) {
        let lanes = level.lanes();
        let mut done = 0;
        for (height, tiles) in tile_heights(lanes, self.rows) {
            for _ in 0..tiles {
                // SAFETY: rows `done` and following are within the sweep.
                let (a, a_strides, neighbors) = unsafe { self.tile(done, height) };
                let mut ahead = match self.a {
                    Left::Rows { stride, .. } => Ahead {
                        first: a.wrapping_add(height * stride),
                        apart: stride,
                        step: LINE,
                        runs: height,
                    },
                    // The lines after those at hand, each row of the matrix being one of them.
                    Left::Columns { stride, .. } => Ahead {
                        first: a.wrapping_add(LINE),
                        apart: self.depth / LINE * stride,
                        step: stride,
                        runs: LINE,
                    },
                    Left::Tiles { .. } => Ahead {
                        first: a.wrapping_add(a_strides[0]),
                        apart: self.depth,
                        step: LINE,
                        runs: height,
                    },
                };
                let (mut b, mut first) = (self.b.first(), 0);
                for (vectors, panels) in self.widths {
                    let [b_row, b_panel] = self.b.strides(self.depth, vectors * lanes);
                    // SAFETY: the panels follow each other, and columns `first` and following are within the
                    // sweep.
                    unsafe {
                        let c = self.c.add(done * self.c_stride).wrapping_add(first);
                        let columns = self.columns.saturating_sub(first);
                        let strides = [0, b_panel, vectors * lanes];
                        let run = Run {
                            a,
                            a_strides,
                            neighbors,
                            b,
                            b_row,
                            c,
                            columns,
                            steps: panels,
                            strides,
                            ahead,
                            sweep: &self,
                        };
                        run.run(level, height, vectors);
                    }
                    ahead = ahead.after(panels * 2 * vectors);
                    b = b.wrapping_add(panels * b_panel);
                    first += panels * vectors * lanes;
                }
                done += height;
            }
        }
    }

    /// The first value of the tile of this height at row `row`; the distances from it to the next tile, row
    /// and summand; and whether its values for one summand are neighbors.
    ///
    /// # Safety
    /// Same as [`Sweep::run`].
    unsafe fn tile(&self, row: usize, height: usize) -> (*const f32, [usize; 3], bool) {
        // SAFETY: the row and the summands to pass over are within `a`, as the caller vouches.
        unsafe {
            match self.a {
                Left::Rows { first, stride } => {
                    (first.add(row * stride + self.skip), [height * stride, stride, 1], false)
                }
                Left::Columns { first, stride } => {
                    (first.add(row + self.skip * stride), [height, 1, stride], true)
                }
                Left::Tiles { first, depth } => {
                    (first.add(row * depth + self.skip * height), [height * depth, 1, height], true)
                }
            }
        }
    }
}
