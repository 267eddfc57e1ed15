//! Sums over runs of neighboring lines, for every interval length of an axis.

use super::axis::Axis;
use pelk_simd::Simd;

/// Where the runs lie: for each length a piece, in the order of the lines that they begin with, between
/// zeros.
///
/// What a line is, and how many vectors it has, is up to the caller.
#[derive(Debug)]
pub(super) struct Runs {
    /// For each length, where the run that begins with line 0 lies.
    begins: Vec<usize>,
    /// For each cell, where its run for line 0 lies, or would, if it met the image.
    starts: Vec<isize>,
    /// Zeros before the first run that meets the image, and behind the last.
    pub margin: usize,
    /// Lines in all.
    pub len: usize,
}

impl Runs {
    /// The layout with at least `margin` zeros around the runs that meet the image.
    pub fn new(axis: &Axis, margin: usize) -> Self {
        let longest = axis.sizes[axis.sizes.len() - 1];
        let pitch = (axis.extent + 2 * (margin + longest)) | 1;
        let begins: Vec<usize> = (0..axis.sizes.len()).map(|size| size * pitch + margin + longest).collect();
        let starts = axis.size_index.iter().zip(&axis.taps);
        let starts = starts.map(|(&size, &tap)| begins[size] as isize + tap).collect();
        Self { starts, len: begins.len() * pitch, begins, margin }
    }

    /// Where the image's own lines lie.
    pub fn lines(&self) -> usize {
        self.begins[0]
    }

    /// Where the run of a cell for a line lies. The runs of neighboring lines, as far as the margin, are
    /// there too, or are zero.
    #[inline(always)]
    pub fn at(&self, cell: usize, line: usize) -> isize {
        self.starts[cell] + line as isize
    }

    /// Builds the runs of every length from the image's lines, of `width` vectors each. Everything else must
    /// be zero, and stays so.
    #[inline(always)]
    pub fn build<S: Simd>(&self, simd: S, axis: &Axis, width: usize, runs: &mut [S::V]) {
        for (size, &(p, q)) in axis.parts.iter().enumerate().skip(1) {
            let before = axis.sizes[size] - 1;
            let len = (before + axis.extent) * width;
            let (shorter, own) = runs.split_at_mut((self.begins[size] - before) * width);
            let first = &shorter[(self.begins[p] - before) * width..][..len];
            let second = &shorter[(self.begins[q] + axis.sizes[p] - before) * width..][..len];
            for ((own, &first), &second) in own[..len].iter_mut().zip(first).zip(second) {
                *own = simd.add(first, second);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelk_grid::SharingGrid;
    use pelk_simd::{Kernel, Level, dispatch};

    /// Two vectors a line: the line's number, and its square, in every lane.
    struct Build<'a>(&'a Axis, &'a Runs, &'a mut Vec<[f32; 2]>);
    impl Kernel for Build<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let Self(axis, layout, sums) = self;
            let mut runs = vec![simd.zero(); 2 * layout.len];
            for line in 0..axis.extent {
                let value = (line + 1) as f32;
                runs[2 * (layout.lines() + line)] = simd.splat(value);
                runs[2 * (layout.lines() + line) + 1] = simd.splat(value * value);
            }
            layout.build(simd, axis, 2, &mut runs);
            let first = |v| simd.reduce_max(v);
            sums.extend(runs.chunks_exact(2).map(|pair| [first(pair[0]), first(pair[1])]));
        }
    }

    #[test]
    fn every_run_of_every_cell_is_the_sum_of_its_lines() {
        for (kernel, extent) in [(51, 56), (47, 14), (13, 7), (101, 30), (5, 1)] {
            let axis = Axis::new(&SharingGrid::exponential(kernel, 5, 2).unwrap(), extent);
            let layout = Runs::new(&axis, 3);
            for level in Level::available() {
                let mut sums = Vec::new();
                dispatch(level, Build(&axis, &layout, &mut sums));
                for cell in 0..axis.len() {
                    for line in 0..extent {
                        let taps = axis.taps[cell]..=axis.last_tap(cell);
                        let lines = taps.map(|tap| line as isize + tap);
                        let inside =
                            lines.filter(|l| (0..extent as isize).contains(l)).map(|l| (l + 1) as f32);
                        let want = inside.fold([0.0, 0.0], |sum, v| [sum[0] + v, sum[1] + v * v]);
                        if want != [0.0, 0.0] {
                            assert_eq!(
                                sums[layout.at(cell, line) as usize],
                                want,
                                "{level}: {kernel}, {extent}"
                            );
                        }
                    }
                }
            }
        }
    }
}
