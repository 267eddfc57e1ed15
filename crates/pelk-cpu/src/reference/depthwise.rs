//! Depthwise and peripheral convolution, and the position embedding, tap by tap in float64.

use pelk_grid::{SharingGrid, expand, reduce};

use crate::position::PositionForm;
use crate::shape::ImageShape;

/// A window of taps over an image, both axes.
struct Taps {
    shape: ImageShape,
    kernel: (usize, usize),
}

impl Taps {
    /// Calls `visit(output, input, weight)` with the indices of every product of the convolution.
    fn visit(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let (ImageShape { n, h, w, c }, (k, l)) = (self.shape, self.kernel);
        let inside = |output: usize, tap: usize, radius: usize, extent: usize| {
            (output + tap).checked_sub(radius).filter(|&input| input < extent)
        };
        for image in 0..n {
            for (y, x) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
                for (i, j) in (0..k).flat_map(|i| (0..l).map(move |j| (i, j))) {
                    let (Some(v), Some(u)) = (inside(y, i, k / 2, h), inside(x, j, l / 2, w)) else {
                        continue;
                    };
                    for channel in 0..c {
                        let output = ((image * h + y) * w + x) * c + channel;
                        let input = ((image * h + v) * w + u) * c + channel;
                        visit(output, input, (channel * k + i) * l + j);
                    }
                }
            }
        }
    }
}

/// Dense depthwise convolution, stride 1, zero padding of half a kernel. `x`: `[N, H, W, C]`,
/// `weight`: `[C, k, l]`, `kernel` = (k, l), both odd; returns `[N, H, W, C]`.
pub fn forward(shape: ImageShape, kernel: (usize, usize), x: &[f64], weight: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; shape.len()];
    Taps { shape, kernel }.visit(|output, input, tap| y[output] += weight[tap] * x[input]);
    y
}

/// The gradients (of the input, of the weight) of [`forward`] for the output gradient `gy`.
pub fn backward(
    shape: ImageShape,
    kernel: (usize, usize),
    x: &[f64],
    weight: &[f64],
    gy: &[f64],
) -> (Vec<f64>, Vec<f64>) {
    let (mut gx, mut gweight) = (vec![0.0; shape.len()], vec![0.0; weight.len()]);
    Taps { shape, kernel }.visit(|output, input, tap| {
        gx[input] += weight[tap] * gy[output];
        gweight[tap] += x[input] * gy[output];
    });
    (gx, gweight)
}

fn kernel_of(rows: &SharingGrid, columns: &SharingGrid) -> (usize, usize) {
    (rows.kernel(), columns.kernel())
}

fn dense(rows: &SharingGrid, columns: &SharingGrid, theta: &[f64]) -> Vec<f64> {
    expand(rows, columns, theta).expect("theta holds whole channels")
}

fn shared(rows: &SharingGrid, columns: &SharingGrid, weight: &[f64]) -> Vec<f64> {
    reduce(rows, columns, weight).expect("a kernel holds whole channels")
}

/// Peripheral convolution as the paper computes it: `theta` `[C, k', l']` expanded (Eq. 1), then [`forward`].
pub fn peripheral_forward(
    shape: ImageShape,
    rows: &SharingGrid,
    columns: &SharingGrid,
    x: &[f64],
    theta: &[f64],
) -> Vec<f64> {
    forward(shape, kernel_of(rows, columns), x, &dense(rows, columns, theta))
}

/// The gradients (of the input, of theta) of [`peripheral_forward`]: [`backward`], then the sum over the taps
/// of every region.
pub fn peripheral_backward(
    shape: ImageShape,
    rows: &SharingGrid,
    columns: &SharingGrid,
    x: &[f64],
    theta: &[f64],
    gy: &[f64],
) -> (Vec<f64>, Vec<f64>) {
    let weight = dense(rows, columns, theta);
    let (gx, gweight) = backward(shape, kernel_of(rows, columns), x, &weight, gy);
    (gx, shared(rows, columns, &gweight))
}

/// Calls `visit(bias, tap of the kernel, tap of its channel)` for every product.
fn visit(
    form: PositionForm,
    grid: &SharingGrid,
    (h, w, c): (usize, usize, usize),
    mut visit: impl FnMut(usize, usize, usize),
) {
    let k = grid.kernel();
    match form {
        // The products of a convolution with an image of ones.
        PositionForm::InBounds => Taps { shape: ImageShape { n: 1, h, w, c }, kernel: (k, k) }
            .visit(|output, _, tap| visit(output, tap, tap % (k * k))),
        PositionForm::Literal => (0..c * k * k).for_each(|tap| visit(tap / (k * k), tap, tap % (k * k))),
    }
}

fn bias_len(form: PositionForm, (h, w, c): (usize, usize, usize)) -> usize {
    match form {
        PositionForm::InBounds => h * w * c,
        PositionForm::Literal => c,
    }
}

/// The bias that the position embedding `position` `[k, k]` makes with the kernel `theta` `[C, k', k']` on
/// an image of `size` = (H, W, C).
pub fn position_forward(
    form: PositionForm,
    grid: &SharingGrid,
    size: (usize, usize, usize),
    theta: &[f64],
    position: &[f64],
) -> Vec<f64> {
    let weight = dense(grid, grid, theta);
    let mut bias = vec![0.0; bias_len(form, size)];
    visit(form, grid, size, |output, tap, of_channel| bias[output] += weight[tap] * position[of_channel]);
    bias
}

/// The gradients (of theta, of the position embedding) of [`position_forward`] for the gradient of the bias.
pub fn position_backward(
    form: PositionForm,
    grid: &SharingGrid,
    size: (usize, usize, usize),
    theta: &[f64],
    position: &[f64],
    gbias: &[f64],
) -> (Vec<f64>, Vec<f64>) {
    let weight = dense(grid, grid, theta);
    let (mut gweight, mut gposition) = (vec![0.0; weight.len()], vec![0.0; position.len()]);
    visit(form, grid, size, |output, tap, of_channel| {
        gweight[tap] += position[of_channel] * gbias[output];
        gposition[of_channel] += weight[tap] * gbias[output];
    });
    (shared(grid, grid, &gweight), gposition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_of_one_tap_shifts_the_image() {
        let shape = ImageShape { n: 1, h: 2, w: 3, c: 1 };
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut weight = [0.0; 9];
        weight[5] = 2.0; // one to the right of the center
        let y = forward(shape, (3, 3), &x, &weight);
        assert_eq!(y, [4.0, 6.0, 0.0, 10.0, 12.0, 0.0]);
        let (gx, gweight) = backward(shape, (3, 3), &x, &weight, &[1.0; 6]);
        assert_eq!(gx, [0.0, 2.0, 2.0, 0.0, 2.0, 2.0]);
        assert_eq!((gweight[4], gweight[5], gweight[8]), (21.0, 16.0, 11.0));
    }
}
