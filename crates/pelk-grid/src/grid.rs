//! The sharing grid of one axis: constructors and accessors.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{BoxPlan, GridError, MAX_KERNEL};

/// How the k taps of one axis are divided into k' intervals, symmetric about the center tap (Eq. 1 of the
/// paper).
///
/// Used for both axes, it divides a k x k kernel into k' x k' rectangles with one parameter per channel each.
/// `Display` writes all intervals, `2,2,1,1,1,1,1,2,2`, and `FromStr` reads them back;
/// [`from_half_text`](Self::from_half_text) reads the half grids that the paper prints. Clones share their
/// memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SharingGrid {
    /// From the outer edge to the center interval, inclusive. Everything else follows from it.
    half: Arc<[usize]>,
    intervals: Arc<[usize]>,
    offsets: Arc<[usize]>,
}

impl SharingGrid {
    /// The paper's grid (Eq. 2): a fine center of `center` taps, then intervals of `base`, `base`^2, ...
    /// taps.
    ///
    /// The paper has no rule for a last interval that does not fit; all grids it prints agree with clipping
    /// the outermost interval to the remaining taps, as here: 51 taps with a center of 5 end in 9 instead of
    /// 16.
    ///
    /// # Errors
    /// If `kernel` or `center` is even, `center` is larger than `kernel`, `kernel` is larger than
    /// [`MAX_KERNEL`], or `base` is below 2.
    pub fn exponential(kernel: usize, center: usize, base: usize) -> Result<Self, GridError> {
        if base < 2 {
            return Err(GridError::Base { base });
        }
        Self::around_center(kernel, center, |ring| base.saturating_pow(ring))
    }

    /// Intervals of one size around a fine center of `center` taps (Table 5, rows 2 and 3); the outermost is
    /// clipped.
    ///
    /// # Errors
    /// Same as [`exponential`](Self::exponential), and if `interval` is 0.
    pub fn uniform(kernel: usize, interval: usize, center: usize) -> Result<Self, GridError> {
        if interval == 0 {
            return Err(GridError::ZeroInterval);
        }
        Self::around_center(kernel, center, |_| interval)
    }

    /// No sharing: `kernel` intervals of 1 tap, an ordinary convolution (Table 5, row 1).
    ///
    /// # Errors
    /// If `kernel` is even or larger than [`MAX_KERNEL`].
    pub fn dense(kernel: usize) -> Result<Self, GridError> {
        Self::around_center(kernel, kernel, |_| 1)
    }

    /// The grid with these intervals from the outer edge to the center, as the paper prints it.
    ///
    /// The last one is the center interval and is not mirrored: `[7, 4, 2, 1, 1, 1]` is a kernel of 31 taps.
    ///
    /// # Errors
    /// If the list is empty, an interval is 0, the center one is even, or the kernel is larger than
    /// [`MAX_KERNEL`].
    pub fn from_half(half: &[usize]) -> Result<Self, GridError> {
        let (&center, side) = half.split_last().ok_or(GridError::NoIntervals)?;
        if half.contains(&0) {
            return Err(GridError::ZeroInterval);
        }
        let radius = side.iter().fold(0_usize, |sum, &taps| sum.saturating_add(taps));
        check_kernel(radius.saturating_mul(2).saturating_add(center))?;

        Ok(Self::mirrored(half.to_vec()))
    }

    /// [`from_half`](Self::from_half) from text: `9,8,4,2,1,1,1`. Spaces around the numbers are ignored.
    ///
    /// # Errors
    /// If an item is not a whole number, and as [`from_half`](Self::from_half).
    pub fn from_half_text(text: &str) -> Result<Self, GridError> {
        Self::from_half(&parse_list(text)?)
    }

    /// The grid with these k' intervals, from the first tap to the last.
    ///
    /// # Errors
    /// If their number is even, they are not symmetric, and as [`from_half`](Self::from_half).
    pub fn from_intervals(intervals: &[usize]) -> Result<Self, GridError> {
        let count = intervals.len();
        if count == 0 {
            return Err(GridError::NoIntervals);
        }
        if let Some((index, (&left, &right))) =
            intervals.iter().zip(intervals.iter().rev()).enumerate().find(|(_, (left, right))| left != right)
        {
            return Err(GridError::NotSymmetric { position: index + 1, left, right });
        }
        if count.is_multiple_of(2) {
            return Err(GridError::EvenCount { count });
        }
        Self::from_half(&intervals[..=count / 2])
    }

    /// The grid turned inside out: coarse inside, fine outside; the center interval does not move.
    ///
    /// Half grid `8,4,2,1,1,1` becomes `1,1,2,4,8,1` (Table 5, row 6).
    pub fn reversed(&self) -> Self {
        let mut half = self.half.to_vec();
        let center = half.len() - 1;
        half[..center].reverse();
        Self::mirrored(half)
    }

    /// Number of taps, k.
    pub fn kernel(&self) -> usize {
        self.intervals.iter().sum()
    }

    /// Number of intervals, k'.
    pub fn cells(&self) -> usize {
        self.intervals.len()
    }

    /// Number of taps on each side of the center tap, (k - 1) / 2: the padding that keeps the size of a map.
    pub fn radius(&self) -> usize {
        self.kernel() / 2
    }

    /// Side of the square in the middle in which every tap has its own parameter.
    ///
    /// It is k for a dense grid, and 0 if the center interval has more than 1 tap.
    pub fn center(&self) -> usize {
        match self.half.iter().rev().take_while(|&&taps| taps == 1).count() {
            0 => 0,
            ones => 2 * ones - 1,
        }
    }

    /// Lengths of the k' intervals in taps; their sum is k.
    pub fn intervals(&self) -> &[usize] {
        &self.intervals
    }

    /// First tap of each of the k' intervals.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Lengths of the intervals from the outer edge to the center, the center included.
    pub fn half(&self) -> &[usize] {
        &self.half
    }

    /// Whether no taps share a parameter.
    pub fn is_dense(&self) -> bool {
        self.cells() == self.kernel()
    }

    /// Parameters of a k x k kernel with this grid on both axes, per channel: k'^2.
    pub fn params_per_channel(&self) -> usize {
        self.cells() * self.cells()
    }

    /// The interval in which a tap lies, or `None` if `tap` is not below k.
    pub fn interval_of_tap(&self, tap: usize) -> Option<usize> {
        (tap < self.kernel()).then(|| self.offsets.partition_point(|&first| first <= tap) - 1)
    }

    /// The order in which to build sums over runs of all interval lengths of this grid.
    pub fn box_plan(&self) -> BoxPlan {
        BoxPlan::new(&self.intervals)
    }

    /// The grid with this half, which is already checked.
    fn mirrored(half: Vec<usize>) -> Self {
        let intervals: Arc<[usize]> = half.iter().chain(half.iter().rev().skip(1)).copied().collect();
        let offsets = intervals.iter().scan(0, |sum, &taps| {
            *sum += taps;
            Some(*sum - taps)
        });
        Self { offsets: offsets.collect(), half: half.into(), intervals }
    }

    /// A fine center and, from it outwards, rings of `size(1)`, `size(2)`, ... taps, the last clipped.
    fn around_center(kernel: usize, center: usize, size: impl Fn(u32) -> usize) -> Result<Self, GridError> {
        check_kernel(kernel)?;
        if center.is_multiple_of(2) {
            return Err(GridError::EvenCenter { center });
        }
        if center > kernel {
            return Err(GridError::CenterTooLarge { center, kernel });
        }
        let mut half = vec![1; center.div_ceil(2)];
        let mut left = (kernel - center) / 2;
        for ring in 1.. {
            if left == 0 {
                break;
            }
            let taps = size(ring).min(left);
            half.push(taps);
            left -= taps;
        }
        half.reverse();
        Self::from_half(&half)
    }
}

impl fmt::Display for SharingGrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, taps) in self.intervals.iter().enumerate() {
            write!(f, "{}{taps}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for SharingGrid {
    type Err = GridError;

    /// Reads all k' intervals, as `Display` writes them.
    fn from_str(text: &str) -> Result<Self, GridError> {
        Self::from_intervals(&parse_list(text)?)
    }
}

fn check_kernel(kernel: usize) -> Result<(), GridError> {
    if kernel > MAX_KERNEL {
        return Err(GridError::KernelTooLarge { kernel });
    }
    if kernel.is_multiple_of(2) {
        return Err(GridError::EvenKernel { kernel });
    }
    Ok(())
}

fn parse_list(text: &str) -> Result<Vec<usize>, GridError> {
    text.split(',')
        .map(str::trim)
        .map(|item| item.parse().map_err(|_| GridError::Parse { item: item.to_owned() }))
        .collect()
}

/// Grids of up to 7 intervals, none longer than 19 taps, for the property tests of this crate.
#[cfg(test)]
pub(crate) fn any_grid() -> impl proptest::strategy::Strategy<Value = SharingGrid> {
    use proptest::prelude::*;
    (prop::collection::vec(1_usize..20, 0..4), 0_usize..4).prop_map(|(mut half, center)| {
        half.push(2 * center + 1);
        SharingGrid::from_half(&half).unwrap()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn half(text: &str) -> SharingGrid {
        SharingGrid::from_half_text(text).unwrap()
    }

    #[test]
    fn exponential_grids_of_the_paper() {
        // kernel, center, half grid, k', parameters per channel, percent of a dense kernel
        let table = [
            (51, 5, "9,8,4,2,1,1,1", 13, 169, "6.50"), // Table 6
            (49, 5, "8,8,4,2,1,1,1", 13, 169, "7.04"),
            (47, 5, "7,8,4,2,1,1,1", 13, 169, "7.65"),
            (13, 5, "2,2,1,1,1", 9, 81, "47.93"),
            (101, 7, "17,16,8,4,2,1,1,1,1", 17, 289, "2.83"),
            (69, 7, "1,16,8,4,2,1,1,1,1", 17, 289, "6.07"),
            (67, 7, "16,8,4,2,1,1,1,1", 15, 225, "5.01"),
            (13, 7, "1,2,1,1,1,1", 11, 121, "71.60"),
            (5, 3, "1,1,1", 5, 25, "100.00"),
            (31, 5, "7,4,2,1,1,1", 11, 121, "12.59"),    // Fig. 1b
            (33, 5, "8,4,2,1,1,1", 11, 121, "11.11"),    // Table 5, row 5
            (51, 1, "11,8,4,2,1", 9, 81, "3.11"),        // Table 6
            (51, 3, "10,8,4,2,1,1", 11, 121, "4.65"),    // Table 6
            (51, 7, "8,8,4,2,1,1,1,1", 15, 225, "8.65"), // Table 6
            (151, 7, "10,32,16,8,4,2,1,1,1,1", 19, 361, "1.58"),
            (89, 7, "11,16,8,4,2,1,1,1,1", 17, 289, "3.65"),
            (87, 7, "10,16,8,4,2,1,1,1,1", 17, 289, "3.82"),
        ];
        for (kernel, center, text, cells, params, per_cent) in table {
            let grid = SharingGrid::exponential(kernel, center, 2).unwrap();
            assert_eq!(grid, half(text), "{kernel} taps around {center}");
            assert_eq!((grid.kernel(), grid.radius()), (kernel, kernel / 2));
            assert_eq!((grid.cells(), grid.params_per_channel()), (cells, params));
            let kept = 100.0 * params as f64 / (kernel * kernel) as f64;
            assert_eq!(format!("{kept:.2}"), per_cent, "{kernel} taps around {center}");
        }
    }

    #[test]
    fn sharing_ablation_of_table_5() {
        let grids = [
            (SharingGrid::dense(33).unwrap(), half(&["1"; 17].join(",")), 33, "1.00"),
            (SharingGrid::uniform(33, 2, 1).unwrap(), half("2,2,2,2,2,2,2,2,1"), 17, "0.27"),
            (SharingGrid::uniform(33, 2, 5).unwrap(), half("2,2,2,2,2,2,2,1,1,1"), 19, "0.33"),
            (half("4,4,4,2,1,1,1"), half("4,4,4,2,1,1,1"), 13, "0.16"),
            (SharingGrid::exponential(33, 5, 2).unwrap(), half("8,4,2,1,1,1"), 11, "0.11"),
            (SharingGrid::exponential(33, 5, 2).unwrap().reversed(), half("1,1,2,4,8,1"), 11, "0.11"),
        ];
        for (made, printed, cells, share) in grids {
            assert_eq!(made, printed);
            assert_eq!((made.kernel(), made.cells()), (33, cells));
            let kept = made.params_per_channel() as f64 / (33.0 * 33.0);
            assert_eq!(format!("{kept:.2}"), share);
        }
    }

    #[test]
    fn first_figure_and_other_bases() {
        assert_eq!(SharingGrid::exponential(5, 1, 2).unwrap().intervals(), [2, 1, 2]); // Fig. 1a
        assert_eq!(SharingGrid::exponential(51, 3, 3).unwrap().half(), [12, 9, 3, 1, 1]);
        assert_eq!(SharingGrid::exponential(51, 1, usize::MAX).unwrap().half(), [25, 1]);
        assert_eq!(SharingGrid::uniform(13, 4, 3).unwrap().half(), [1, 4, 1, 1]);
    }

    #[test]
    fn center_is_the_unshared_square() {
        assert_eq!(SharingGrid::exponential(51, 7, 2).unwrap().center(), 7);
        assert_eq!(SharingGrid::dense(7).unwrap().center(), 7);
        assert_eq!(half("1,1,2,4,8,1").center(), 1);
        assert_eq!(half("2,3").center(), 0);
        assert!(SharingGrid::exponential(5, 5, 2).unwrap().is_dense());
        assert!(!SharingGrid::exponential(5, 1, 2).unwrap().is_dense());
    }

    #[test]
    fn taps_find_their_interval() {
        let grid = half("3,2,1");
        assert_eq!(grid.offsets(), [0, 3, 5, 6, 8]);
        let found: Vec<_> = (0..12).map(|tap| grid.interval_of_tap(tap)).collect();
        let all = [0, 0, 0, 1, 1, 2, 3, 3, 4, 4, 4].map(Some);
        assert_eq!(found[..11], all);
        assert_eq!(found[11], None);
    }

    #[test]
    fn bad_input_is_named() {
        use GridError::*;
        let cases = [
            (SharingGrid::exponential(50, 5, 2), EvenKernel { kernel: 50 }),
            (SharingGrid::exponential(0, 5, 2), EvenKernel { kernel: 0 }),
            (SharingGrid::exponential(51, 4, 2), EvenCenter { center: 4 }),
            (SharingGrid::exponential(3, 5, 2), CenterTooLarge { center: 5, kernel: 3 }),
            (SharingGrid::exponential(51, 5, 1), Base { base: 1 }),
            (SharingGrid::uniform(51, 0, 5), ZeroInterval),
            (SharingGrid::dense(MAX_KERNEL + 2), KernelTooLarge { kernel: MAX_KERNEL + 2 }),
            (SharingGrid::dense(usize::MAX), KernelTooLarge { kernel: usize::MAX }),
            (SharingGrid::from_half(&[]), NoIntervals),
            (SharingGrid::from_half(&[2, 0, 1]), ZeroInterval),
            (SharingGrid::from_half(&[2, 2]), EvenKernel { kernel: 6 }),
            (SharingGrid::from_half(&[usize::MAX, usize::MAX, 1]), KernelTooLarge { kernel: usize::MAX }),
            (SharingGrid::from_intervals(&[]), NoIntervals),
            (SharingGrid::from_intervals(&[2, 2]), EvenCount { count: 2 }),
            (SharingGrid::from_intervals(&[4, 2, 1]), NotSymmetric { position: 1, left: 4, right: 1 }),
            (SharingGrid::from_half_text(""), Parse { item: String::new() }),
            (SharingGrid::from_half_text("4,x,1"), Parse { item: "x".to_owned() }),
            ("4,-2,4".parse(), Parse { item: "-2".to_owned() }),
        ];
        for (result, error) in cases {
            assert_eq!(result, Err(error));
        }
        assert!(SharingGrid::dense(MAX_KERNEL).is_ok());
    }

    proptest! {
        #[test]
        fn text_and_half_round_trip(grid in any_grid()) {
            prop_assert_eq!(SharingGrid::from_half(grid.half()).unwrap(), grid.clone());
            prop_assert_eq!(grid.to_string().parse::<SharingGrid>().unwrap(), grid.clone());
            prop_assert_eq!(grid.reversed().reversed(), grid.clone());
        }
    }
}
