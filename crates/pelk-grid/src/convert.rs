//! Conversion of shared parameters to dense kernels and, for gradients, back.

use std::iter::repeat_n;
use std::ops::AddAssign;

use crate::{GridError, SharingGrid};

/// Copies every parameter to all taps of its region (Eq. 1): `[C, k', l']` becomes `[C, k, l]`, both
/// row-major.
///
/// # Errors
/// If the length of `theta` is not a multiple of k' * l', or C * k * l values do not fit into memory.
pub fn expand<T: Copy>(rows: &SharingGrid, columns: &SharingGrid, theta: &[T]) -> Result<Vec<T>, GridError> {
    let channels = count_channels(theta.len(), rows.cells(), columns.cells())?;
    let (height, width) = (rows.kernel(), columns.kernel());
    let mut dense = Vec::new();
    channels
        .checked_mul(height * width)
        .filter(|&taps| dense.try_reserve_exact(taps).is_ok())
        .ok_or(GridError::OutputTooLarge { channels, height, width })?;
    for (values, &repeats) in theta.chunks_exact(columns.cells()).zip(rows.intervals().iter().cycle()) {
        let start = dense.len();
        for (&value, &taps) in values.iter().zip(columns.intervals()) {
            dense.extend(repeat_n(value, taps));
        }
        for _ in 1..repeats {
            dense.extend_from_within(start..start + width);
        }
    }
    Ok(dense)
}

/// Sums the taps of every region: `[C, k, l]` becomes `[C, k', l']`, both row-major.
///
/// This is the transpose of [`expand`]: it turns the gradient of a dense kernel into that of its parameters.
/// Taps are added row by row in a fixed order.
///
/// # Errors
/// If the length of `dense` is not a multiple of k * l.
pub fn reduce<T: Copy + Default + AddAssign>(
    rows: &SharingGrid,
    columns: &SharingGrid,
    dense: &[T],
) -> Result<Vec<T>, GridError> {
    let (height, width) = (rows.kernel(), columns.kernel());
    let channels = count_channels(dense.len(), height, width)?;

    let mut theta = vec![T::default(); channels * rows.cells() * columns.cells()];
    let mut lines = dense.chunks_exact(width);
    for (sums, &count) in theta.chunks_exact_mut(columns.cells()).zip(rows.intervals().iter().cycle()) {
        for line in lines.by_ref().take(count) {
            for ((sum, &first), &taps) in sums.iter_mut().zip(columns.offsets()).zip(columns.intervals()) {
                for &tap in &line[first..first + taps] {
                    *sum += tap;
                }
            }
        }
    }
    Ok(theta)
}

fn count_channels(len: usize, height: usize, width: usize) -> Result<usize, GridError> {
    let channel = height * width;
    if !len.is_multiple_of(channel) {
        return Err(GridError::Length { len, height, width });
    }
    Ok(len / channel)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::any_grid;
    use crate::regions;
    use proptest::prelude::*;

    fn dot(a: &[i64], b: &[i64]) -> i64 {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn small_kernel_by_hand() {
        let rows = SharingGrid::dense(1).unwrap();
        let columns = SharingGrid::from_half(&[2, 1]).unwrap();
        let dense = expand(&rows, &columns, &[1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(dense, [1, 1, 2, 3, 3, 4, 4, 5, 6, 6]);
        assert_eq!(reduce(&rows, &columns, &dense).unwrap(), [2, 2, 6, 8, 5, 12]);
    }

    #[test]
    fn wrong_lengths_are_named() {
        let grid = SharingGrid::from_half(&[2, 1]).unwrap();
        assert_eq!(expand(&grid, &grid, &[0; 10]), Err(GridError::Length { len: 10, height: 3, width: 3 }));
        assert_eq!(reduce(&grid, &grid, &[0; 9]), Err(GridError::Length { len: 9, height: 5, width: 5 }));
        assert_eq!(expand::<u8>(&grid, &grid, &[]), Ok(vec![]));
        let wide = SharingGrid::from_half(&[2047, 1]).unwrap();
        let theta = [(); usize::MAX / 9 * 9]; // values of size zero: many channels without memory
        assert!(matches!(expand(&wide, &wide, &theta), Err(GridError::OutputTooLarge { .. })));
    }

    proptest! {
        #[test]
        fn taps_carry_the_parameter_of_their_region(rows in any_grid(), columns in any_grid()) {
            let theta: Vec<usize> = (0..2 * rows.cells() * columns.cells()).collect();
            let dense = expand(&rows, &columns, &theta).unwrap();
            prop_assert_eq!(dense.len(), 2 * rows.kernel() * columns.kernel());
            for (channel, taps) in dense.chunks_exact(rows.kernel() * columns.kernel()).enumerate() {
                for region in regions(&rows, &columns) {
                    let cell = (channel * rows.cells() + region.row) * columns.cells() + region.column;
                    for y in region.y..region.y + region.height {
                        for x in region.x..region.x + region.width {
                            prop_assert_eq!(taps[y * columns.kernel() + x], theta[cell]);
                        }
                    }
                }
            }
        }

        #[test]
        fn reduce_is_the_transpose_of_expand(rows in any_grid(), columns in any_grid(), seed in 1_i64..1000) {
            let values = |len: usize, step: i64| -> Vec<i64> {
                (0..len as i64).map(|index| (index * step * seed) % 101 - 50).collect()
            };
            let theta = values(3 * rows.cells() * columns.cells(), 7);
            let dense = values(3 * rows.kernel() * columns.kernel(), 13);
            let left = dot(&expand(&rows, &columns, &theta).unwrap(), &dense);
            let right = dot(&theta, &reduce(&rows, &columns, &dense).unwrap());
            prop_assert_eq!(left, right);
        }
    }
}
