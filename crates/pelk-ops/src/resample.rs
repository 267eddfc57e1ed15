//! Maps along one axis of an image. Pooling, interpolation and subsampling are products of one for the rows
//! and one for the columns, and so are their gradients, along the transposed axes.

use crate::shape::{ImageShape, ShapeError};

/// A sparse linear map along one axis: each output position is a weighted sum of input positions.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Positions of the input.
    inputs: usize,
    /// For each output position, the input positions it reads and their weights, in order.
    taps: Vec<Vec<(usize, f32)>>,
}

impl Axis {
    /// A map from `inputs` to `outputs` positions, where `taps(i)` lists what output `i` reads.
    pub fn new<T: IntoIterator<Item = (usize, f32)>>(
        inputs: usize,
        outputs: usize,
        taps: impl Fn(usize) -> T,
    ) -> Self {
        let taps: Vec<Vec<_>> = (0..outputs).map(|i| taps(i).into_iter().collect()).collect();
        debug_assert!(taps.iter().flatten().all(|(input, _)| *input < inputs));
        Self { inputs, taps }
    }

    /// The transposed map, from outputs to inputs, which computes the gradient.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut taps = vec![Vec::new(); self.inputs];
        for (output, reads) in self.taps.iter().enumerate() {
            for &(input, weight) in reads {
                taps[input].push((output, weight));
            }
        }
        Self { inputs: self.taps.len(), taps }
    }

    /// Positions of the input.
    #[inline]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Positions of the output.
    #[inline]
    pub fn outputs(&self) -> usize {
        self.taps.len()
    }

    /// For each output position, the input positions it reads and their weights, in order.
    #[inline]
    pub fn taps(&self) -> &[Vec<(usize, f32)>] {
        &self.taps
    }
}

/// The shape of images of `shape` after a map along their rows and one along their columns.
///
/// # Errors
/// When a dimension is zero, or the axes take images of another size.
pub fn output(shape: ImageShape, rows: &Axis, columns: &Axis) -> Result<ImageShape, ShapeError> {
    const NAME: &str = "resample";
    shape.check(NAME)?;
    let ImageShape { n, h, w, c } = shape;
    if [h, w] != [rows.inputs(), columns.inputs()] {
        let (rows, columns) = (rows.inputs(), columns.inputs());
        let reason = format!("the image has {h} x {w} pixels, and the axes take {rows} x {columns}");
        return Err(ShapeError::Invalid { operator: NAME, reason });
    }
    ImageShape::checked(NAME, n, rows.outputs(), columns.outputs(), c)
}

/// Adaptive average pooling with PyTorch's bins: bin `i` of `k` over `l` positions is `floor(i l / k) ..
/// ceil((i + 1) l / k)`, so bins overlap where `k` does not divide `l`.
pub fn bins(inputs: usize, outputs: usize) -> Axis {
    Axis::new(inputs, outputs, |i| {
        let bin = i * inputs / outputs..((i + 1) * inputs).div_ceil(outputs);
        let weight = 1.0 / bin.len() as f32;
        bin.map(move |input| (input, weight))
    })
}

/// Linear interpolation with pixel centers at half integers (PyTorch's `align_corners=False`): output `i`
/// lies at `(i + 1/2) inputs / outputs - 1/2` of the input, not below zero, between its two neighbors. At the
/// border both are the outermost position. Shrinking does not average.
pub fn neighbors(inputs: usize, outputs: usize) -> Axis {
    let step = inputs as f64 / outputs as f64;
    Axis::new(inputs, outputs, |i| {
        let position = ((i as f64 + 0.5) * step - 0.5).max(0.0);
        let first = (position as usize).min(inputs - 1);
        let weight = (position - first as f64) as f32;
        [(first, 1.0 - weight), ((first + 1).min(inputs - 1), weight)]
    })
}

/// The nearest of `inputs` positions, as PyTorch's `nearest`: output `i` is input `floor(i inputs /
/// outputs)`.
pub fn nearest(inputs: usize, outputs: usize) -> Axis {
    Axis::new(inputs, outputs, |i| [(i * inputs / outputs, 1.0)])
}

/// Every `step`-th of `inputs` positions, from the first on; `step` is at least 1.
pub fn every(inputs: usize, step: usize) -> Axis {
    Axis::new(inputs, inputs.div_ceil(step), |i| [(i * step, 1.0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_overlap_where_they_do_not_divide_the_positions() {
        assert_eq!(bins(3, 2).taps(), [[(0, 0.5), (1, 0.5)], [(1, 0.5), (2, 0.5)]]);
        assert_eq!(bins(3, 1).taps(), [[0, 1, 2].map(|input| (input, 1.0 / 3.0))]);
    }

    #[test]
    fn neighbors_weigh_by_distance_and_stay_inside() {
        let taps =
            [[(0, 1.0), (1, 0.0)], [(0, 0.75), (1, 0.25)], [(0, 0.25), (1, 0.75)], [(1, 0.75), (1, 0.25)]];
        assert_eq!(neighbors(2, 4).taps(), taps);
    }

    #[test]
    fn the_nearest_position_is_not_after_the_place() {
        assert_eq!(nearest(2, 4), Axis::new(2, 4, |i| [(i / 2, 1.0)]));
        assert_eq!(nearest(2, 3).taps(), [[(0, 1.0)], [(0, 1.0)], [(1, 1.0)]]);
        assert_eq!(nearest(5, 2).taps(), [[(0, 1.0)], [(2, 1.0)]]);
    }

    #[test]
    fn every_other_position_is_kept_from_the_first_on() {
        assert_eq!(every(5, 2).taps(), [[(0, 1.0)], [(2, 1.0)], [(4, 1.0)]]);
        let transposed = every(3, 2).transposed();
        assert_eq!(transposed.taps(), [vec![(0, 1.0)], vec![], vec![(1, 1.0)]]);
        assert_eq!(transposed.transposed(), every(3, 2));
    }

    #[test]
    fn images_that_the_axes_do_not_take_are_errors() {
        let shape = ImageShape { n: 1, h: 5, w: 4, c: 3 };
        let size = |rows: &Axis, columns: &Axis| output(shape, rows, columns).map(|y| [y.n, y.h, y.w, y.c]);
        assert_eq!(size(&every(5, 2), &bins(4, 1)), Ok([1, 3, 1, 3]));
        let error = size(&every(4, 2), &bins(5, 1)).unwrap_err().to_string();
        assert_eq!(error, "resample: the image has 5 x 4 pixels, and the axes take 4 x 5");
        assert!(size(&bins(5, 0), &bins(4, 1)).is_err());
        assert!(output(ImageShape { c: 0, ..shape }, &every(5, 2), &bins(4, 1)).is_err());
    }
}
