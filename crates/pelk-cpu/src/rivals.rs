//! The products of linear layers by other libraries, to compare ours with.

use crate::gemm::{Matrix, by_matrixmultiply};
use crate::rows::{Rows, RowsMut, expect_shape};
use crate::shape::ShapeError;
use gemm_common::Parallelism;

const NAME: &str = "linear";

/// A library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rival {
    /// [matrixmultiply](https://docs.rs/matrixmultiply), on the calling thread.
    Matrixmultiply,
    /// [gemm](https://docs.rs/gemm), on the threads of the current pool.
    Gemm,
}

impl Rival {
    /// `y = x W^T` for `x` `[rows, inputs]`, `weight` `[outputs, inputs]` and `y` `[rows, outputs]`.
    ///
    /// # Errors
    /// When the shapes do not fit together.
    pub fn forward(self, x: Rows<'_>, weight: Rows<'_>, y: RowsMut<'_>) -> Result<(), ShapeError> {
        expect_shape(NAME, "weight", weight.shape(), [weight.rows(), x.columns()])?;
        self.multiply(x.into(), Matrix::from(weight).transposed(), y)
    }

    /// `gx = gy W`.
    ///
    /// # Errors
    /// Same as [`forward`](Rival::forward).
    pub fn input_gradient(self, gy: Rows<'_>, weight: Rows<'_>, gx: RowsMut<'_>) -> Result<(), ShapeError> {
        expect_shape(NAME, "gy", gy.shape(), [gy.rows(), weight.rows()])?;
        self.multiply(gy.into(), weight.into(), gx)
    }

    /// `gW = gy^T x`.
    ///
    /// # Errors
    /// Same as [`forward`](Rival::forward).
    pub fn weight_gradient(self, gy: Rows<'_>, x: Rows<'_>, gweight: RowsMut<'_>) -> Result<(), ShapeError> {
        expect_shape(NAME, "gy", gy.shape(), [x.rows(), gy.columns()])?;
        self.multiply(Matrix::from(gy).transposed(), x.into(), gweight)
    }

    /// `c = a b`.
    fn multiply(self, a: Matrix<'_>, b: Matrix<'_>, c: RowsMut<'_>) -> Result<(), ShapeError> {
        let (m, n, k) = (a.rows(), b.columns(), a.columns());
        expect_shape(NAME, "the result", c.shape(), [m, n])?;
        let c = c.into_values();
        match self {
            // SAFETY: `c` has these rows and columns, as just checked.
            Rival::Matrixmultiply => unsafe { by_matrixmultiply(a, b, false, c.as_mut_ptr(), n) },
            Rival::Gemm => {
                // Slices have no more values than an isize holds.
                let strides = |matrix: Matrix<'_>| matrix.strides().map(|stride| stride as isize);
                let ([a_row, a_column], [b_row, b_column]) = (strides(a), strides(b));
                let parallelism = match rayon::current_num_threads() {
                    1 => Parallelism::None,
                    threads => Parallelism::Rayon(threads),
                };
                let multiply = gemm_f32::gemm::f32::get_gemm_fn();
                // SAFETY: matrices hold all their values at their strides, and `c` has m rows of n values. It
                // is not read, and no operand is conjugated.
                unsafe {
                    multiply(
                        m,
                        n,
                        k,
                        c.as_mut_ptr(),
                        1,
                        n as isize,
                        false,
                        a.values().as_ptr(),
                        a_column,
                        a_row,
                        b.values().as_ptr(),
                        b_column,
                        b_row,
                        0.0,
                        1.0,
                        false,
                        false,
                        false,
                        parallelism,
                    );
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;
    use crate::testing::{assert_close, rows, rows_mut, stale, values, widen};

    #[test]
    fn all_libraries_compute_the_same() {
        let (r, i, o) = (13, 20, 9);
        let (x, weight, gy) = (values(1, r * i), values(2, o * i), values(3, r * o));
        let y64 = reference::linear::forward(r, i, o, &widen(&x), &widen(&weight), None);
        let want = reference::linear::backward(r, i, o, &widen(&x), &widen(&weight), &widen(&gy));
        let (x, weight, gy) = (rows(&x, i), rows(&weight, i), rows(&gy, o));
        for rival in [Rival::Matrixmultiply, Rival::Gemm] {
            let (mut y, mut gx, mut gweight) = (stale(r * o), stale(r * i), stale(o * i));
            rival.forward(x, weight, rows_mut(&mut y, o)).unwrap();
            rival.input_gradient(gy, weight, rows_mut(&mut gx, i)).unwrap();
            rival.weight_gradient(gy, x, rows_mut(&mut gweight, i)).unwrap();
            assert_close(format!("{rival:?}, y"), &y, &y64, 1e-5);
            assert_close(format!("{rival:?}, gx"), &gx, &want.x, 1e-5);
            assert_close(format!("{rival:?}, gweight"), &gweight, &want.weight, 1e-5);
            assert!(rival.forward(x, gy, rows_mut(&mut y, o)).is_err());
            assert!(rival.input_gradient(x, weight, rows_mut(&mut gx, i)).is_err());
            assert!(rival.weight_gradient(weight, x, rows_mut(&mut gweight, i)).is_err());
        }
    }
}
