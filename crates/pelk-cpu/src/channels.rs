//! Channels split and joined, row by row.

use crate::rows::{Rows, RowsMut, expect_shape};
use crate::rowwise::CHUNK;
use crate::shape::ShapeError;
use rayon::prelude::*;

/// Splits the columns of `x`, `[rows, C]`, into `parts`, `[rows, C_i]` each; together they have C columns.
/// The gradient of [`concat()`].
///
/// # Errors
/// When a part does not have as many rows as `x`, or the parts do not add up to C columns.
pub fn split(x: Rows<'_>, parts: &mut [RowsMut<'_>]) -> Result<(), ShapeError> {
    check("split_channels", parts.iter().map(RowsMut::shape), ("x", x.shape()))?;
    let columns = x.columns();
    let task = (CHUNK / columns).max(1);
    let mut begin = 0;
    for part in parts {
        let width = part.columns();
        let chunks = part.values_mut().par_chunks_mut(task * width);
        chunks.zip(x.values().par_chunks(task * columns)).for_each(|(part, x)| {
            for (part, x) in part.chunks_exact_mut(width).zip(x.chunks_exact(columns)) {
                part.copy_from_slice(&x[begin..begin + width]);
            }
        });
        begin += width;
    }
    Ok(())
}

/// Joins the columns of `parts`, `[rows, C_i]` each, to `y`, `[rows, C]`; together they have C columns. The
/// gradient of [`split`].
///
/// # Errors
/// When a part does not have as many rows as `y`, or the parts do not add up to C columns.
pub fn concat(parts: &[Rows<'_>], y: RowsMut<'_>) -> Result<(), ShapeError> {
    check("concat_channels", parts.iter().map(Rows::shape), ("y", y.shape()))?;
    let columns = y.columns();
    let task = (CHUNK / columns).max(1);
    y.into_values().par_chunks_mut(task * columns).enumerate().for_each(|(chunk, y)| {
        let mut begin = 0;
        for part in parts {
            let width = part.columns();
            let part = &part.values()[chunk * task * width..];
            for (y, part) in y.chunks_exact_mut(columns).zip(part.chunks_exact(width)) {
                y[begin..begin + width].copy_from_slice(part);
            }
            begin += width;
        }
    });
    Ok(())
}

/// Checks that parts of these shapes make up the matrix `joined`.
fn check(
    operator: &'static str,
    parts: impl Iterator<Item = [usize; 2]>,
    (argument, joined): (&'static str, [usize; 2]),
) -> Result<(), ShapeError> {
    let mut columns = 0;
    for [rows, width] in parts {
        expect_shape(operator, "a part", [rows, width], [joined[0], width])?;
        columns += width;
    }
    expect_shape(operator, argument, joined, [joined[0], columns])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{rows, rows_mut};

    #[test]
    fn parts_lie_side_by_side() {
        let (mut y, mut parts) = ([0.0; 12], [[0.0; 2], [9.0; 2]]);
        let (a, b, c) = ([1.0, 2.0], [3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [9.0, 10.0, 11.0, 12.0]);
        concat(&[rows(&a, 1), rows(&b, 3), rows(&c, 2)], rows_mut(&mut y, 6)).unwrap();
        assert_eq!(y, [1.0, 3.0, 4.0, 5.0, 9.0, 10.0, 2.0, 6.0, 7.0, 8.0, 11.0, 12.0]);
        let [first, last] = &mut parts;
        let x = rows(&[1.0, 2.0, 3.0, 4.0], 2);
        split(x, &mut [rows_mut(first, 1), rows_mut(last, 1)]).unwrap();
        assert_eq!(parts, [[1.0, 3.0], [2.0, 4.0]]);
    }

    #[test]
    fn joining_undoes_splitting() {
        for (r, widths) in [(1, [1, 1, 1]), (3000, [4, 9, 70])] {
            let columns = widths.iter().sum::<usize>();
            let x: Vec<f32> = (0..r * columns).map(|i| i as f32).collect();
            let mut parts = widths.map(|width| vec![f32::NAN; r * width]);
            let outputs = parts.iter_mut().zip(widths).map(|(part, width)| rows_mut(part, width));
            split(rows(&x, columns), &mut outputs.collect::<Vec<_>>()).unwrap();
            let mut y = vec![f32::NAN; x.len()];
            let inputs = parts.iter().zip(widths).map(|(part, width)| rows(part, width));
            concat(&inputs.collect::<Vec<_>>(), rows_mut(&mut y, columns)).unwrap();
            assert_eq!(x, y);
        }
    }

    #[test]
    fn bad_shapes_are_errors() {
        let (mut a, mut b, mut y) = ([0.0; 2], [0.0; 3], [0.0; 6]);
        assert!(split(rows(&[0.0; 4], 2), &mut [rows_mut(&mut a, 1), rows_mut(&mut b, 1)]).is_err());
        assert!(split(rows(&[0.0; 6], 3), &mut [rows_mut(&mut a, 1)]).is_err());
        let part = rows(&a, 1);
        assert!(concat(&[part, rows(&b, 1)], rows_mut(&mut y[..4], 2)).is_err());
        assert!(concat(&[part, part], rows_mut(&mut y, 3)).is_err());
        assert!(concat(&[], rows_mut(&mut y, 3)).is_err());
    }
}
