//! The position embedding of peripheral convolution (Eq. 3), as a bias.
//!
//! Eq. 3 adds an embedding `h`, one value for each tap of the k x k kernel and shared by all channels, to the
//! input under each tap. Multiplied out, that is the convolution of the input plus a bias that depends on no
//! input. Two readings of the equation give two biases:
//!
//! - in-bounds: `h` counts where its tap lies inside the image. The bias is a map, `bias[y, x, c]` = the sum
//!   of `w[c, i, j] * h[i, j]` over the taps (i, j) inside the image at (y, x), with `w` the expanded kernel;
//! - literal: `h` counts at every tap, so that the bias is one value for each channel.
//!
//! The taps inside the image form a rectangle, as do the positions at which a given tap is inside. So the map
//! and its gradients are rectangle sums, read from summed-area tables at a cost of k x k + H x W per channel,
//! and never a second convolution. Tables are float64, so that their differences lose nothing that float32
//! could show. These functions are cheap, need no vector instructions, and take no level.

mod summed_area;

use pelk_grid::{SharingGrid, expand};
use rayon::prelude::*;

use crate::shape::{ShapeError, checked_len, expect_len};
pub use pelk_ops::PositionForm;
use summed_area::{SummedArea, not_empty, windows};

const OPERATOR: &str = "position embedding";

/// One channel's parameters, seen as its expanded kernel.
struct Weights<'a> {
    theta: &'a [f32],
    cells: usize,
    cell_of_tap: &'a [usize],
}

impl Weights<'_> {
    fn at(&self, i: usize, j: usize) -> f64 {
        f64::from(self.theta[self.cell_of_tap[i] * self.cells + self.cell_of_tap[j]])
    }
}

fn cells_of_taps(grid: &SharingGrid) -> Vec<usize> {
    let intervals = grid.intervals().iter().enumerate();
    intervals.flat_map(|(cell, &length)| std::iter::repeat_n(cell, length)).collect()
}

/// Checks the arguments that all functions here share; returns the number of values of the bias map.
fn check(
    grid: &SharingGrid,
    (h, w, c): (usize, usize, usize),
    thetas: &[(&'static str, usize)],
    positions: &[(&'static str, usize)],
) -> Result<usize, ShapeError> {
    let map = checked_len(OPERATOR, &[("the height", h), ("the width", w), ("the channels", c)])?;
    let theta = [("the channels", c), ("the kernel", grid.cells()), ("the kernel", grid.cells())];
    let theta = checked_len(OPERATOR, &theta)?;
    for &(name, len) in thetas {
        expect_len(OPERATOR, name, len, theta)?;
    }
    for &(name, len) in positions {
        expect_len(OPERATOR, name, len, grid.kernel() * grid.kernel())?;
    }
    Ok(map)
}

/// The in-bounds bias map, `[H, W, C]`, of the embedding `position` `[k, k]` under the kernel `theta`
/// `[C, k', k']`, where `[h, w, c]` is the shape of the map. `bias` is overwritten.
///
/// ```
/// # use pelk_cpu::position::in_bounds_forward;
/// let grid = pelk_grid::SharingGrid::dense(3)?;
/// let mut bias = [0.0; 2];
/// // A 1 x 2 image, all weights 1, h = 1 on the left of the center and 10 on the right.
/// let position = [0.0, 0.0, 0.0, 1.0, 0.0, 10.0, 0.0, 0.0, 0.0];
/// in_bounds_forward(&grid, [1, 2, 1], &[1.0; 9], &position, &mut bias)?;
/// assert_eq!(bias, [10.0, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When a dimension is zero, or a slice does not have the length of its shape.
pub fn in_bounds_forward(
    grid: &SharingGrid,
    [h, w, c]: [usize; 3],
    theta: &[f32],
    position: &[f32],
    bias: &mut [f32],
) -> Result<(), ShapeError> {
    let map = check(grid, (h, w, c), &[("theta", theta.len())], &[("position", position.len())])?;
    expect_len(OPERATOR, "bias map", bias.len(), map)?;
    let (k, cells, cell_of_tap) = (grid.kernel(), grid.cells(), cells_of_taps(grid));
    let (rows, columns) = (windows(h, k, grid.radius(), h), windows(w, k, grid.radius(), w));

    // Channel by channel, then transposed: a table belongs to one channel, but channels are innermost in
    // memory.
    let mut planes = vec![0.0; map];
    planes.par_chunks_mut(h * w).zip(theta.par_chunks(cells * cells)).for_each(|(plane, theta)| {
        let weights = Weights { theta, cells, cell_of_tap: &cell_of_tap };
        let table = SummedArea::new(k, k, |i, j| weights.at(i, j) * f64::from(position[i * k + j]));
        for (row, plane) in rows.iter().zip(plane.chunks_exact_mut(w)) {
            for (column, bias) in columns.iter().zip(plane) {
                *bias = table.sum(row, column) as f32;
            }
        }
    });
    bias.par_chunks_mut(w * c).enumerate().for_each(|(y, row)| {
        for (x, pixel) in row.chunks_exact_mut(c).enumerate() {
            for (channel, bias) in pixel.iter_mut().enumerate() {
                *bias = planes[channel * h * w + y * w + x];
            }
        }
    });
    Ok(())
}

/// Parts into which the channels are cut for sums over them; a constant, so that results do not depend on the
/// number of threads.
const CHANNEL_PARTS: usize = 32;

/// The gradients of [`in_bounds_forward`] for `gbias` `[H, W, C]`, the gradient of the map: `gtheta`
/// `[C, k', k']` and `gposition` `[k, k]`, both overwritten.
///
/// # Errors
/// Same as [`in_bounds_forward`].
pub fn in_bounds_backward(
    grid: &SharingGrid,
    [h, w, c]: [usize; 3],
    theta: &[f32],
    position: &[f32],
    gbias: &[f32],
    gtheta: &mut [f32],
    gposition: &mut [f32],
) -> Result<(), ShapeError> {
    let thetas = [("theta", theta.len()), ("gtheta", gtheta.len())];
    let map =
        check(grid, (h, w, c), &thetas, &[("position", position.len()), ("gposition", gposition.len())])?;
    expect_len(OPERATOR, "gbias", gbias.len(), map)?;
    let (k, cells, cell_of_tap) = (grid.kernel(), grid.cells(), cells_of_taps(grid));
    let (rows, columns) = (windows(k, h, grid.radius(), h), windows(k, w, grid.radius(), w));
    let inside = (not_empty(&rows), not_empty(&columns));

    let part = c.div_ceil(CHANNEL_PARTS);
    let sums: Vec<Vec<f64>> = gtheta
        .par_chunks_mut(part * cells * cells)
        .zip(theta.par_chunks(part * cells * cells))
        .enumerate()
        .map(|(index, (gtheta, theta))| {
            let mut gposition = vec![0.0; k * k];
            let mut strip = vec![0.0; w + 1];
            let channels = gtheta.chunks_exact_mut(cells * cells).zip(theta.chunks_exact(cells * cells));
            for (channel, (gtheta, theta)) in (index * part..).zip(channels) {
                let weights = Weights { theta, cells, cell_of_tap: &cell_of_tap };
                let table = SummedArea::new(h, w, |y, x| f64::from(gbias[(y * w + x) * c + channel]));
                let mut sums = vec![0.0; cells * cells];
                // Where the kernel is larger than the map, most taps are outside of it everywhere.
                for i in inside.0.clone() {
                    table.of_rows(&rows[i], &mut strip);
                    for j in inside.1.clone() {
                        let gradient = strip[columns[j].end] - strip[columns[j].start];
                        sums[cell_of_tap[i] * cells + cell_of_tap[j]] +=
                            gradient * f64::from(position[i * k + j]);
                        gposition[i * k + j] += gradient * weights.at(i, j);
                    }
                }
                for (gtheta, sum) in gtheta.iter_mut().zip(sums) {
                    *gtheta = sum as f32;
                }
            }
            gposition
        })
        .collect();
    for (tap, gradient) in gposition.iter_mut().enumerate() {
        *gradient = sums.iter().map(|part| part[tap]).sum::<f64>() as f32;
    }
    Ok(())
}

/// The sum of the embedding over every region of the grid.
fn region_sums(grid: &SharingGrid, position: &[f32]) -> Vec<f64> {
    let (k, cells, cell_of_tap) = (grid.kernel(), grid.cells(), cells_of_taps(grid));
    let mut sums = vec![0.0; cells * cells];
    for (tap, &value) in position.iter().enumerate() {
        sums[cell_of_tap[tap / k] * cells + cell_of_tap[tap % k]] += f64::from(value);
    }
    sums
}

/// The literal bias, `[C]`: the sum of kernel times embedding over all taps. `theta` is `[C, k', k']`,
/// `position` is `[k, k]`; `bias` is overwritten.
///
/// # Errors
/// When there are no channels, or a slice does not have the length of its shape.
pub fn literal_forward(
    grid: &SharingGrid,
    c: usize,
    theta: &[f32],
    position: &[f32],
    bias: &mut [f32],
) -> Result<(), ShapeError> {
    check(grid, (1, 1, c), &[("theta", theta.len())], &[("position", position.len())])?;
    expect_len(OPERATOR, "bias", bias.len(), c)?;
    let sums = region_sums(grid, position);
    for (bias, theta) in bias.iter_mut().zip(theta.chunks_exact(sums.len())) {
        *bias = theta.iter().zip(&sums).map(|(&theta, sum)| f64::from(theta) * sum).sum::<f64>() as f32;
    }
    Ok(())
}

/// The gradients of [`literal_forward`] for `gbias` `[C]`: `gtheta` `[C, k', k']` and `gposition` `[k, k]`,
/// both overwritten.
///
/// # Errors
/// Same as [`literal_forward`].
pub fn literal_backward(
    grid: &SharingGrid,
    c: usize,
    theta: &[f32],
    position: &[f32],
    gbias: &[f32],
    gtheta: &mut [f32],
    gposition: &mut [f32],
) -> Result<(), ShapeError> {
    let thetas = [("theta", theta.len()), ("gtheta", gtheta.len())];
    check(grid, (1, 1, c), &thetas, &[("position", position.len()), ("gposition", gposition.len())])?;
    expect_len(OPERATOR, "gbias", gbias.len(), c)?;
    let sums = region_sums(grid, position);
    // Every tap of a region has the same gradient: the kernels' sum, weighted by the gradients of the biases.
    let mut weighted = vec![0.0; sums.len()];
    let channels = theta.chunks_exact(sums.len()).zip(gtheta.chunks_exact_mut(sums.len()));
    for (&gbias, (theta, gtheta)) in gbias.iter().zip(channels) {
        let gbias = f64::from(gbias);
        for cell in 0..sums.len() {
            gtheta[cell] = (gbias * sums[cell]) as f32;
            weighted[cell] += gbias * f64::from(theta[cell]);
        }
    }
    let dense = expand(grid, grid, &weighted)
        .map_err(|error| ShapeError::Invalid { operator: OPERATOR, reason: error.to_string() })?;
    for (gposition, gradient) in gposition.iter_mut().zip(dense) {
        *gposition = gradient as f32;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::depthwise::{position_backward, position_forward};
    use crate::testing::{assert_close, assert_thread_count_free, dot, stale, values, widen};

    const TOLERANCE: f64 = 1e-6;

    fn bias(
        form: PositionForm,
        grid: &SharingGrid,
        (h, w, c): (usize, usize, usize),
        theta: &[f32],
        position: &[f32],
    ) -> Vec<f32> {
        match form {
            PositionForm::InBounds => {
                let mut bias = stale(h * w * c);
                in_bounds_forward(grid, [h, w, c], theta, position, &mut bias).unwrap();
                bias
            }
            PositionForm::Literal => {
                let mut bias = stale(c);
                literal_forward(grid, c, theta, position, &mut bias).unwrap();
                bias
            }
        }
    }

    fn gradients(
        form: PositionForm,
        grid: &SharingGrid,
        (h, w, c): (usize, usize, usize),
        theta: &[f32],
        position: &[f32],
        gbias: &[f32],
    ) -> (Vec<f32>, Vec<f32>) {
        let (mut gtheta, mut gposition) = (stale(theta.len()), stale(position.len()));
        match form {
            PositionForm::InBounds => {
                let (shape, gtheta, gposition) = ([h, w, c], &mut gtheta, &mut gposition);
                in_bounds_backward(grid, shape, theta, position, gbias, gtheta, gposition).unwrap();
            }
            PositionForm::Literal => {
                literal_backward(grid, c, theta, position, gbias, &mut gtheta, &mut gposition).unwrap();
            }
        }
        (gtheta, gposition)
    }

    #[test]
    fn both_forms_and_their_gradients_match_the_tap_loop() {
        let cases = [
            (&[1][..], (1, 1, 1)),
            (&[1, 1], (2, 2, 3)),
            (&[2, 1, 1], (7, 7, 7)),
            (&[2, 1, 1], (5, 9, 40)),
            (&[8, 4, 2, 1, 1, 1], (6, 11, 3)),
            (&[9, 8, 4, 2, 1, 1, 1], (1, 5, 2)),
            (&[1, 1, 2, 3], (12, 3, 4)),
        ];
        for (half, size) in cases {
            for form in [PositionForm::InBounds, PositionForm::Literal] {
                let what = format!("{form:?}, half grid {half:?} on {size:?}");
                let grid = SharingGrid::from_half(half).unwrap();
                let theta = values(1, size.2 * grid.cells() * grid.cells());
                let position = values(2, grid.kernel() * grid.kernel());
                let expected = position_forward(form, &grid, size, &widen(&theta), &widen(&position));
                let actual = bias(form, &grid, size, &theta, &position);
                assert_close(format!("bias, {what}"), &actual, &expected, TOLERANCE);

                let gbias = values(3, expected.len());
                let (gtheta, gposition) = gradients(form, &grid, size, &theta, &position, &gbias);
                let expected =
                    position_backward(form, &grid, size, &widen(&theta), &widen(&position), &widen(&gbias));
                assert_close(format!("gtheta, {what}"), &gtheta, &expected.0, TOLERANCE);
                assert_close(format!("gposition, {what}"), &gposition, &expected.1, TOLERANCE);
                // The bias is linear in each argument, so its gradients are adjoints:
                // <gbias, bias> = <gtheta, theta> = <gposition, position>.
                let whole = dot(&widen(&gbias), &widen(&actual));
                let by_theta = dot(&widen(&gtheta), &widen(&theta));
                let by_position = dot(&widen(&gposition), &widen(&position));
                let scale = 1e-5 * dot(&widen(&actual), &widen(&actual)).max(1.0);
                assert!((whole - by_theta).abs() < scale, "{what}: {whole} and {by_theta}");
                assert!((whole - by_position).abs() < scale, "{what}: {whole} and {by_position}");
            }
        }
    }

    #[test]
    fn the_thread_count_changes_no_bit() {
        let (grid, size) = (SharingGrid::exponential(13, 5, 2).unwrap(), (7, 8, 75));
        let theta = values(1, size.2 * grid.cells() * grid.cells());
        let position = values(2, 13 * 13);
        assert_thread_count_free("position embedding", || {
            let bias = bias(PositionForm::InBounds, &grid, size, &theta, &position);
            let (gtheta, gposition) =
                gradients(PositionForm::InBounds, &grid, size, &theta, &position, &bias);
            [bias, gtheta, gposition].concat()
        });
    }

    #[test]
    fn bad_shapes_and_lengths_are_errors() {
        let grid = SharingGrid::dense(3).unwrap();
        let forward = |h, theta, position, bias| {
            let (theta, position, mut bias) = (vec![0.0; theta], vec![0.0; position], vec![0.0; bias]);
            in_bounds_forward(&grid, [h, 4, 2], &theta, &position, &mut bias)
        };
        assert!(forward(3, 18, 9, 24).is_ok());
        assert!(forward(0, 18, 9, 24).is_err());
        assert!(forward(3, 17, 9, 24).is_err());
        assert!(forward(3, 18, 8, 24).is_err());
        assert!(forward(3, 18, 9, 23).is_err());
        let literal = |c, theta, position, bias| {
            literal_forward(&grid, c, &vec![0.0; theta], &vec![0.0; position], &mut vec![0.0; bias])
        };
        assert!(literal(2, 18, 9, 2).is_ok());
        assert!(literal(0, 0, 9, 0).is_err());
        assert!(literal(2, 18, 9, 3).is_err());
        let mut gposition = [0.0; 8];
        let error = literal_backward(&grid, 1, &[0.0; 9], &[0.0; 9], &[0.0], &mut [0.0; 9], &mut gposition);
        let error = error.unwrap_err().to_string();
        assert_eq!(error, "position embedding: gposition has 8 values, but its shape needs 9");
    }
}
