//! One point of the spectra of all lines: a column of complex numbers, its sums over runs, and what they are
//! multiplied by.

use std::ops::Range;

use super::dft::Complex;
use crate::depthwise::axis::Axis;
use crate::depthwise::runs::Runs;
use pelk_simd::Simd;

/// Lines of a tile of the convolution: two accumulators each. On a Zen 3 core 4 and 6 take 2 % longer than 5
/// with 16 registers; with 32, not tuned, 7 divide the maps of most networks.
const fn lines_of_tile<S: Simd>() -> usize {
    if S::LANES == 16 { 7 } else { 5 }
}

/// Cells of a tile of the correlation: two accumulators each.
const fn cells_of_tile<S: Simd>() -> usize {
    if S::LANES == 16 { MOST_CELLS } else { 5 }
}

const MOST_LINES: usize = 7;
const MOST_CELLS: usize = 9;

/// Where the runs of a column lie. Beyond those that meet the image, tiles read as far as they have lines, or
/// as far as their cells are apart.
pub(super) fn runs(axis: &Axis) -> Runs {
    let apart = axis.taps.windows(MOST_CELLS.min(axis.len())).map(|taps| taps[taps.len() - 1] - taps[0]);
    Runs::new(axis, MOST_LINES.max(apart.max().unwrap_or(0) as usize))
}

/// One point `k` of the spectra of all lines.
pub(super) struct Column<'a, S: Simd> {
    pub simd: S,
    pub axis: &'a Axis,
    pub layout: &'a Runs,
    /// [`Runs::len`] numbers; zero but for what [`load`](Self::load) writes.
    pub runs: &'a mut [Complex<S>],
}

impl<S: Simd> Column<'_, S> {
    /// Reads every `pitch`-th number, starting with the first, and builds the runs.
    #[inline(always)]
    pub fn load(&mut self, spectra: &[Complex<S>], pitch: usize) {
        let singles = &mut self.runs[self.layout.lines()..][..self.axis.extent];
        for (single, value) in singles.iter_mut().zip(spectra.iter().step_by(pitch)) {
            *single = *value;
        }
        self.layout.build(self.simd, self.axis, 2, self.runs.as_flattened_mut());
    }

    /// Writes, for every line, the sum of each cell's run times the cell's weight to every `pitch`-th number.
    #[inline(always)]
    pub fn convolve(&self, weights: &[Complex<S>], spectra: &mut [Complex<S>], pitch: usize) {
        match lines_of_tile::<S>() {
            MOST_LINES => self.convolve_by::<MOST_LINES>(weights, spectra, pitch),
            _ => self.convolve_by::<5>(weights, spectra, pitch),
        }
    }

    #[inline(always)]
    fn convolve_by<const T: usize>(&self, weights: &[Complex<S>], spectra: &mut [Complex<S>], pitch: usize) {
        let Self { simd, axis, layout, ref runs } = *self;
        assert!(T <= layout.margin && weights.len() == axis.len() && runs.len() == layout.len);
        for first in (0..axis.extent).step_by(T) {
            let lines = first..(first + T).min(axis.extent);
            let mut sums = [[simd.zero(); 2]; T];
            for cell in axis.cells_meeting(&lines) {
                // SAFETY: `cell` is one of the axis, so of the weights. It meets the image for one of the
                // lines, so its runs for T lines from `first` on begin less than T before or behind those
                // that meet it, and as many zeros lie there.
                unsafe {
                    let run = runs.as_ptr().offset(layout.at(cell, first));
                    let [re, im] = *weights.get_unchecked(cell);
                    for (line, sum) in sums.iter_mut().enumerate() {
                        let [x, y] = *run.add(line);
                        sum[0] = simd.mul_add(re, x, sum[0]);
                        sum[1] = simd.mul_add(re, y, sum[1]);
                        sum[0] = simd.neg_mul_add(im, y, sum[0]);
                        sum[1] = simd.mul_add(im, x, sum[1]);
                    }
                }
            }
            for (line, sum) in lines.zip(sums) {
                spectra[line * pitch] = sum;
            }
        }
    }

    /// Adds, for every cell, the sum over all lines of every `pitch`-th of the numbers `others` times the
    /// conjugate of the cell's run, to every `pitch`-th of the numbers `sums`.
    #[inline(always)]
    pub fn correlate(&self, others: &[Complex<S>], sums: &mut [Complex<S>], pitch: usize) {
        let most = cells_of_tile::<S>();
        let pieces = self.axis.len().div_ceil(most);
        for piece in 0..pieces {
            let cells = piece * self.axis.len() / pieces..(piece + 1) * self.axis.len() / pieces;
            match cells.len() {
                1 => self.correlate_by::<1>(cells, others, sums, pitch),
                2 => self.correlate_by::<2>(cells, others, sums, pitch),
                3 => self.correlate_by::<3>(cells, others, sums, pitch),
                4 => self.correlate_by::<4>(cells, others, sums, pitch),
                5 => self.correlate_by::<5>(cells, others, sums, pitch),
                6 => self.correlate_by::<6>(cells, others, sums, pitch),
                7 => self.correlate_by::<7>(cells, others, sums, pitch),
                8 => self.correlate_by::<8>(cells, others, sums, pitch),
                _ => self.correlate_by::<9>(cells, others, sums, pitch),
            }
        }
    }

    #[inline(always)]
    fn correlate_by<const A: usize>(
        &self,
        cells: Range<usize>,
        others: &[Complex<S>],
        sums: &mut [Complex<S>],
        pitch: usize,
    ) {
        let Self { simd, axis, layout, ref runs } = *self;
        let lines = axis.outputs_meeting(&cells);
        if lines.is_empty() {
            return;
        }
        assert!(cells.len() == A && A <= MOST_CELLS && runs.len() == layout.len);
        assert!(others.len() > (lines.end - 1) * pitch);
        let starts: [*const Complex<S>; A] =
            std::array::from_fn(|a| runs.as_ptr().wrapping_offset(layout.at(cells.start + a, 0)));
        let mut totals = [[simd.zero(); 2]; A];
        for line in lines {
            // SAFETY: the last line's number was checked to exist. One of the cells meets the image for this
            // line, the runs of the others begin as far from its own as the cells lie apart, and as many
            // zeros lie around them.
            unsafe {
                let [re, im] = *others.get_unchecked(line * pitch);
                for (total, start) in totals.iter_mut().zip(starts) {
                    let [x, y] = *start.wrapping_add(line);
                    total[0] = simd.mul_add(re, x, total[0]);
                    total[1] = simd.mul_add(im, x, total[1]);
                    total[0] = simd.mul_add(im, y, total[0]);
                    total[1] = simd.neg_mul_add(re, y, total[1]);
                }
            }
        }
        for (cell, total) in cells.zip(totals) {
            let sum = &mut sums[cell * pitch];
            *sum = [simd.add(sum[0], total[0]), simd.add(sum[1], total[1])];
        }
    }
}
