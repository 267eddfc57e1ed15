//! Maps along one axis of an image: pooling, interpolation and subsampling are products of one for the rows
//! and one for the columns.

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

/// The averages of `outputs` bins over `inputs` positions.
pub fn bins(inputs: usize, outputs: usize) -> Axis {
    Axis::new(inputs, outputs, |i| {
        let bin = i * inputs / outputs..((i + 1) * inputs).div_ceil(outputs);
        let weight = 1.0 / bin.len() as f32;
        bin.map(move |input| (input, weight))
    })
}

/// The two neighbors of each of `outputs` positions among `inputs` positions.
pub fn neighbors(inputs: usize, outputs: usize) -> Axis {
    let step = inputs as f64 / outputs as f64;
    Axis::new(inputs, outputs, |i| {
        let position = ((i as f64 + 0.5) * step - 0.5).max(0.0);
        let first = (position as usize).min(inputs - 1);
        let weight = (position - first as f64) as f32;
        [(first, 1.0 - weight), ((first + 1).min(inputs - 1), weight)]
    })
}

/// Height and width of images of `shape` after subsampling: `ceil(size / step)`.
///
/// # Errors
/// When a dimension or the step is zero.
pub fn subsampled(shape: ImageShape, step: usize) -> Result<[usize; 2], ShapeError> {
    const NAME: &str = "subsample";
    shape.check(NAME)?;
    if step == 0 {
        let reason = "the step is 0, and must be at least 1".to_owned();
        return Err(ShapeError::Invalid { operator: NAME, reason });
    }
    Ok([shape.h.div_ceil(step), shape.w.div_ceil(step)])
}

/// Every `step`-th of `inputs` positions.
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
    fn every_other_position_is_kept_from_the_first_on() {
        assert_eq!(every(5, 2).taps(), [[(0, 1.0)], [(2, 1.0)], [(4, 1.0)]]);
        let transposed = every(3, 2).transposed();
        assert_eq!(transposed.taps(), [vec![(0, 1.0)], vec![], vec![(1, 1.0)]]);
        assert_eq!(transposed.transposed(), every(3, 2));
        let shape = ImageShape { n: 1, h: 5, w: 4, c: 3 };
        assert_eq!(subsampled(shape, 2), Ok([3, 2]));
        assert!(subsampled(shape, 0).is_err());
    }
}
