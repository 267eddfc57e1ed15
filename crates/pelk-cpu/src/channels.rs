//! Channels split and joined, row by row.

use crate::rowwise::CHUNK;
use crate::shape::{ShapeError, checked_len, expect_len};
use rayon::prelude::*;

/// Splits `x`, `[rows, C]`, into `parts`, each `[rows, as many as it holds]`; together they have C columns. The gradient of
/// [`concat()`].
///
/// # Errors
/// When a part is empty or does not hold whole rows, or `x` has another length than all parts together.
pub fn split(rows: usize, x: &[f32], parts: &mut [&mut [f32]]) -> Result<(), ShapeError> {
    let columns = check("split_channels", rows, parts.iter().map(|part| part.len()), ("x", x.len()))?;
    let task = (CHUNK / columns).max(1);
    let mut begin = 0;
    for part in parts {
        let width = part.len() / rows;
        part.par_chunks_mut(task * width).zip(x.par_chunks(task * columns)).for_each(|(part, x)| {
            for (part, x) in part.chunks_exact_mut(width).zip(x.chunks_exact(columns)) {
                part.copy_from_slice(&x[begin..begin + width]);
            }
        });
        begin += width;
    }
    Ok(())
}

/// Joins `parts`, each `[rows, as many as it holds]`, to `y`, `[rows, C]`; together they have C columns. The gradient of
/// [`split`].
///
/// # Errors
/// When a part is empty or does not hold whole rows, or `y` has another length than all parts together.
pub fn concat(rows: usize, parts: &[&[f32]], y: &mut [f32]) -> Result<(), ShapeError> {
    let columns = check("concat_channels", rows, parts.iter().map(|part| part.len()), ("y", y.len()))?;
    let task = (CHUNK / columns).max(1);
    y.par_chunks_mut(task * columns).enumerate().for_each(|(chunk, y)| {
        let mut begin = 0;
        for part in parts {
            let width = part.len() / rows;
            let part = &part[chunk * task * width..];
            for (y, part) in y.chunks_exact_mut(columns).zip(part.chunks_exact(width)) {
                y[begin..begin + width].copy_from_slice(part);
            }
            begin += width;
        }
    });
    Ok(())
}

/// The columns of all parts together; `joined` is what they make.
fn check(
    operator: &'static str,
    rows: usize,
    parts: impl Iterator<Item = usize>,
    (argument, joined): (&'static str, usize),
) -> Result<usize, ShapeError> {
    let mut columns = 0;
    for len in parts {
        let width = len.checked_div(rows).unwrap_or(0);
        expect_len(operator, "a part", len, checked_len(operator, &[("rows", rows), ("a part", width)])?)?;
        columns += width;
    }
    expect_len(operator, argument, joined, checked_len(operator, &[("rows", rows), ("channels", columns)])?)?;
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_side_by_side() {
        let (mut y, mut parts) = ([0.0; 12], [[0.0; 2], [9.0; 2]]);
        concat(2, &[&[1.0, 2.0], &[3.0, 4.0, 5.0, 6.0, 7.0, 8.0], &[9.0, 10.0, 11.0, 12.0]], &mut y).unwrap();
        assert_eq!(y, [1.0, 3.0, 4.0, 5.0, 9.0, 10.0, 2.0, 6.0, 7.0, 8.0, 11.0, 12.0]);
        let [first, last] = &mut parts;
        split(2, &[1.0, 2.0, 3.0, 4.0], &mut [first, last]).unwrap();
        assert_eq!(parts, [[1.0, 3.0], [2.0, 4.0]]);
    }

    #[test]
    fn joining_undoes_splitting() {
        for (rows, widths) in [(1, [1, 1, 1]), (3000, [4, 9, 70])] {
            let x: Vec<f32> = (0..rows * widths.iter().sum::<usize>()).map(|i| i as f32).collect();
            let mut parts = widths.map(|width| vec![f32::NAN; rows * width]);
            split(rows, &x, &mut parts.each_mut().map(Vec::as_mut_slice)).unwrap();
            let mut y = vec![f32::NAN; x.len()];
            concat(rows, &parts.each_ref().map(Vec::as_slice), &mut y).unwrap();
            assert_eq!(x, y);
        }
    }

    #[test]
    fn bad_shapes_are_errors() {
        let (mut a, mut b, mut y) = ([0.0; 2], [0.0; 3], [0.0; 6]);
        assert!(split(2, &[0.0; 5], &mut [&mut a, &mut b]).is_err());
        assert!(split(0, &[], &mut [&mut a]).is_err());
        assert!(concat(2, &[&a, &[]], &mut y[..2]).is_err());
        assert!(concat(2, &[&a, &a], &mut y).is_err());
        assert!(concat(2, &[], &mut y).is_err());
    }
}
