//! Row-major matrices in slices: what most operators work on.

use crate::shape::ShapeError;

/// A row-major matrix `[rows, columns]`, read-only: an image as pixels by channels, a batch as samples by
/// values.
///
/// ```
/// use pelk_cpu::Rows;
/// let x = Rows::new(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3)?;
/// assert_eq!((x.rows(), x.columns()), (2, 3));
/// assert!(Rows::new(&[1.0; 5], 3).is_err());
/// # Ok::<(), pelk_cpu::shape::ShapeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    values: &'a [f32],
    columns: usize,
}

/// A row-major matrix `[rows, columns]` that an operator writes.
#[derive(Debug)]
pub struct RowsMut<'a> {
    values: &'a mut [f32],
    columns: usize,
}

impl<'a> Rows<'a> {
    /// The matrix in `values` with rows of `columns`.
    ///
    /// # Errors
    /// When there are no values or no columns, or the values do not fill the last row.
    pub fn new(values: &'a [f32], columns: usize) -> Result<Self, ShapeError> {
        check(values.len(), columns)?;
        Ok(Self { values, columns })
    }

    /// The values, row by row.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns
    }

    /// Values of a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// `[rows, columns]`
    pub fn shape(&self) -> [usize; 2] {
        [self.rows(), self.columns]
    }
}

impl<'a> RowsMut<'a> {
    /// The matrix in `values` with rows of `columns`.
    ///
    /// # Errors
    /// Same as [`Rows::new`].
    pub fn new(values: &'a mut [f32], columns: usize) -> Result<Self, ShapeError> {
        check(values.len(), columns)?;
        Ok(Self { values, columns })
    }

    /// [`RowsMut::new`] of a gradient that may not be needed.
    ///
    /// # Errors
    /// Same as [`Rows::new`].
    pub fn optional(values: Option<&'a mut [f32]>, columns: usize) -> Result<Option<Self>, ShapeError> {
        values.map(|values| Self::new(values, columns)).transpose()
    }

    /// The values, row by row.
    pub fn values_mut(&mut self) -> &mut [f32] {
        self.values
    }

    /// The values, row by row, for as long as they were borrowed.
    pub fn into_values(self) -> &'a mut [f32] {
        self.values
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns
    }

    /// Values of a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// `[rows, columns]`
    pub fn shape(&self) -> [usize; 2] {
        [self.rows(), self.columns]
    }
}

fn check(len: usize, columns: usize) -> Result<(), ShapeError> {
    const OPERATOR: &str = "a matrix";
    if columns == 0 || len == 0 {
        let dimension = if columns == 0 { "the number of columns" } else { "the number of rows" };
        return Err(ShapeError::Empty { operator: OPERATOR, dimension });
    }
    if !len.is_multiple_of(columns) {
        let reason = format!("{len} values do not fill rows of {columns}");
        return Err(ShapeError::Invalid { operator: OPERATOR, reason });
    }
    Ok(())
}

/// An error unless a matrix called `argument` has the `expected` shape `[rows, columns]`; `None` is an
/// optional matrix that is absent, which is fine.
pub(crate) fn expect_shape(
    operator: &'static str,
    argument: &'static str,
    actual: impl Into<Option<[usize; 2]>>,
    expected: [usize; 2],
) -> Result<(), ShapeError> {
    match actual.into() {
        Some([rows, columns]) if [rows, columns] != expected => {
            let [r, c] = expected;
            let reason = format!("{argument} has {rows} rows of {columns}, but must have {r} rows of {c}");
            Err(ShapeError::Invalid { operator, reason })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_made_of_whole_rows() {
        let mut values = [0.0; 6];
        assert_eq!(Rows::new(&values, 2).unwrap().shape(), [3, 2]);
        assert_eq!(RowsMut::new(&mut values, 6).unwrap().shape(), [1, 6]);
        let text = |len, columns| Rows::new(&values[..len], columns).unwrap_err().to_string();
        assert_eq!(text(5, 3), "a matrix: 5 values do not fill rows of 3");
        assert_eq!(text(6, 0), "a matrix: the number of columns is 0, and must be at least 1");
        assert_eq!(text(0, 3), "a matrix: the number of rows is 0, and must be at least 1");
        assert!(RowsMut::optional(None, 0).unwrap().is_none());
    }

    #[test]
    fn a_wrong_shape_is_named_even_where_the_length_fits() {
        let error = expect_shape("linear", "y", [3, 2], [2, 3]).unwrap_err();
        assert_eq!(error.to_string(), "linear: y has 3 rows of 2, but must have 2 rows of 3");
        assert!(expect_shape("linear", "y", [3, 2], [3, 2]).is_ok());
        assert!(expect_shape("linear", "gx", None, [3, 2]).is_ok());
    }
}
