//! Which intervals of a grid meet a line of pixels.

use crate::SharingGrid;

/// Consecutive intervals of a grid, the outermost perhaps clipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intervals {
    /// The number of the first interval in its grid.
    pub first: usize,
    /// The tap at which the first interval begins.
    pub begin: usize,
    /// The lengths of the intervals in taps.
    pub lengths: Vec<usize>,
}

impl SharingGrid {
    /// The intervals that ever meet a line of `size` pixels, clipped to the taps that do: a tap farther from
    /// the center than the line is long lies outside the line for every output. Empty for an empty line.
    ///
    /// ```
    /// use pelk_grid::SharingGrid;
    ///
    /// let grid = SharingGrid::from_half(&[9, 8, 4, 2, 1, 1, 1])?; // 51 taps
    /// let met = grid.meeting(14); // taps 12 to 38
    /// assert_eq!((met.first, met.begin, met.taps()), (1, 12, 27));
    /// assert_eq!(met.lengths, [5, 4, 2, 1, 1, 1, 1, 1, 2, 4, 5]);
    /// # Ok::<(), pelk_grid::GridError>(())
    /// ```
    pub fn meeting(&self, size: usize) -> Intervals {
        let radius = self.radius();
        let (begin, end) =
            ((radius + 1).saturating_sub(size), self.kernel().min(radius.saturating_add(size)));
        let clipped = self.offsets().iter().zip(self.intervals()).enumerate();
        let clipped = clipped
            .map(|(i, (&offset, &length))| (i, (offset + length).min(end).saturating_sub(offset.max(begin))))
            .filter(|&(_, length)| length > 0);
        let (numbers, lengths): (Vec<_>, Vec<_>) = clipped.unzip();
        Intervals { first: numbers.first().copied().unwrap_or(0), begin, lengths }
    }
}

impl Intervals {
    /// The intervals of a kernel of `taps` turned by 180 degrees.
    #[must_use]
    pub fn turned(&self, taps: usize) -> Intervals {
        let lengths = self.lengths.iter().rev().copied().collect();
        Intervals { first: 0, begin: taps - self.begin - self.taps(), lengths }
    }

    /// The number of intervals.
    pub fn count(&self) -> usize {
        self.lengths.len()
    }

    /// The number of taps.
    pub fn taps(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// The intervals in parts of at most `most`, as equal as possible.
    pub fn parts(&self, most: usize) -> Vec<Intervals> {
        let (count, parts) = (self.count(), self.count().div_ceil(most));
        let part = |i: usize| {
            let range = i * count / parts..(i + 1) * count / parts;
            let before: usize = self.lengths[..range.start].iter().sum();
            let (first, begin) = (self.first + range.start, self.begin + before);
            Intervals { first, begin, lengths: self.lengths[range].to_vec() }
        };
        (0..parts).map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_a_grid() {
        let grid = SharingGrid::exponential(51, 5, 2).unwrap();
        let all = grid.meeting(51);
        assert_eq!(all, Intervals { first: 0, begin: 0, lengths: grid.intervals().to_vec() });
        let parts = all.parts(5);
        assert_eq!(parts.iter().map(Intervals::count).collect::<Vec<_>>(), [4, 4, 5]);
        for part in &parts {
            assert_eq!(part.begin, grid.offsets()[part.first]);
            assert_eq!(part.lengths, grid.intervals()[part.first..part.first + part.count()]);
        }
        assert_eq!(all.parts(13), [all]);
    }

    #[test]
    fn what_never_meets_the_image_is_left_out() {
        let grid = SharingGrid::from_half(&[9, 8, 4, 2, 1, 1, 1]).unwrap();
        assert_eq!(grid.kernel(), 51);
        for (size, first, begin, lengths) in [
            (1, 6, 25, vec![1]),
            (3, 4, 23, vec![1; 5]),
            (4, 3, 22, vec![1, 1, 1, 1, 1, 1, 1]),
            (14, 1, 12, vec![5, 4, 2, 1, 1, 1, 1, 1, 2, 4, 5]),
        ] {
            assert_eq!(grid.meeting(size), Intervals { first, begin, lengths }, "{size}");
        }
    }

    #[test]
    fn what_meets_a_line_agrees_with_trying_every_output() {
        for half in [&[9, 8, 4, 2, 1, 1, 1][..], &[3], &[4, 1, 5], &[1, 1, 1]] {
            let grid = SharingGrid::from_half(half).unwrap();
            for size in [0, 1, 2, 3, 7, 20, 60] {
                let meets = |tap: usize| {
                    (0..size).any(|y| (grid.radius()..grid.radius() + size).contains(&(y + tap)))
                };
                let met = grid.meeting(size);
                let tried: Vec<usize> = (0..grid.kernel()).filter(|&tap| meets(tap)).collect();
                assert_eq!(
                    (met.begin..met.begin + met.taps()).collect::<Vec<_>>(),
                    tried,
                    "{grid} on {size}"
                );
                for (i, &length) in met.lengths.iter().enumerate() {
                    let (first, whole) = (grid.offsets()[met.first + i], grid.intervals()[met.first + i]);
                    assert_eq!(length, (first..first + whole).filter(|&tap| meets(tap)).count());
                }
            }
        }
    }

    #[test]
    fn turning_twice_gives_the_same_taps() {
        let grid = SharingGrid::from_half(&[9, 8, 4, 2, 1, 1, 1]).unwrap();
        for part in grid.meeting(14).parts(4) {
            let twice = part.turned(grid.kernel()).turned(grid.kernel());
            assert_eq!((twice.begin, twice.lengths), (part.begin, part.lengths));
        }
    }
}
