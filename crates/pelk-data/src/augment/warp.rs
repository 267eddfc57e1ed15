//! Affine warps, interpolated like PIL's bicubic `transform`.

use pelk_simd::{Kernel, Level, Simd, dispatch};

/// The source position of the pixel at (x, y), both at pixel centers: `a x + b y + c` and `d x + e y + f`.
pub(super) type Affine = [f64; 6];

/// `image`, `[height, width, channels]`, sampled at the mapped positions; outside it shows `fill`, one value
/// per channel.
///
/// Interpolates between 4 x 4 pixels by cubics with the slope of the neighbors' difference (parameter -1,
/// unlike the -1/2 with which PIL resizes); the border is repeated. Values are truncated, not rounded. The
/// bytes do not depend on `level`.
pub(super) fn bicubic(
    level: Level,
    image: &[u8],
    [height, width, channels]: [usize; 3],
    map: Affine,
    fill: &[u8],
) -> Vec<u8> {
    match channels {
        1 => warped::<1>(level, image, [height, width], map, fill),
        3 => warped::<3>(level, image, [height, width], map, fill),
        _ => unreachable!("images are gray or RGB"),
    }
}

/// Bytes per pixel during the warp: with padding, the channels fill a vector.
const SLOT: usize = 4;

fn warped<const CHANNELS: usize>(
    level: Level,
    image: &[u8],
    size: [usize; 2],
    map: Affine,
    fill: &[u8],
) -> Vec<u8> {
    let mut pixels = vec![[0; SLOT]; size[0] * size[1]];
    for (pixel, bytes) in pixels.iter_mut().zip(image.as_chunks::<CHANNELS>().0) {
        pixel[..CHANNELS].copy_from_slice(bytes);
    }
    dispatch(level, Warp::<CHANNELS> { image: &pixels, size, map, fill })
}

/// Plain loops, which the compiler vectorizes for each level.
struct Warp<'a, const CHANNELS: usize> {
    image: &'a [[u8; SLOT]],
    size: [usize; 2],
    map: Affine,
    fill: &'a [u8],
}

impl<const CHANNELS: usize> Kernel for Warp<'_, CHANNELS> {
    type Output = Vec<u8>;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Vec<u8> {
        let Warp { image, size: [height, width], map: [a, b, c, d, e, f], fill } = self;
        let mut out = vec![0; image.len() * CHANNELS];
        for (row, out) in out.chunks_exact_mut(width * CHANNELS).enumerate() {
            for (column, out) in out.as_chunks_mut::<CHANNELS>().0.iter_mut().enumerate() {
                let (x, y) = (column as f64 + 0.5, row as f64 + 0.5);
                let (x, y) = (a * x + b * y + c, d * x + e * y + f);
                if !(x >= 0.0 && x < width as f64 && y >= 0.0 && y < height as f64) {
                    out.copy_from_slice(fill);
                    continue;
                }
                let (columns, across) = neighbors(x, width, 1);
                let ([first, second, third, fourth], down) = neighbors(y, height, width);
                let value = match down {
                    0.0 => line(image, second, columns, across),
                    _ => {
                        let a = line(image, first, columns, across);
                        let b = line(image, second, columns, across);
                        let c = line(image, third, columns, across);
                        let d = line(image, fourth, columns, across);
                        cubic([a, b, c, d], down)
                    }
                };
                for (out, value) in out.iter_mut().zip(value) {
                    // Conversion to a byte truncates and saturates.
                    *out = value as u8;
                }
            }
        }
        out
    }
}

/// The four pixels around a position on a line whose pixels are `stride` apart, and its fraction of the way
/// from the second to the third.
#[inline(always)]
fn neighbors(at: f64, length: usize, stride: usize) -> ([usize; 4], f64) {
    let at = at - 0.5;
    let first = at.floor();
    let last = length as isize - 1;
    let pixel = |step: isize| (first as isize + step).clamp(0, last) as usize * stride;
    ([pixel(-1), pixel(0), pixel(1), pixel(2)], at - first)
}

/// The value between four pixels of the row that begins at `row`. A position on the second pixel needs only
/// that one, with the same bits, as in all shears and shifts along one axis.
#[inline(always)]
fn line(image: &[[u8; SLOT]], row: usize, [a, b, c, d]: [usize; 4], at: f64) -> [f64; SLOT] {
    match at {
        0.0 => widened(image[row + b]),
        _ => {
            let (a, b) = (widened(image[row + a]), widened(image[row + b]));
            let (c, d) = (widened(image[row + c]), widened(image[row + d]));
            cubic([a, b, c, d], at)
        }
    }
}

#[inline(always)]
fn widened(pixel: [u8; SLOT]) -> [f64; SLOT] {
    let mut values = [0.0; SLOT];
    for (value, byte) in values.iter_mut().zip(pixel) {
        *value = f64::from(byte);
    }
    values
}

/// The cubic through four values, `at` of the way from the second to the third.
#[inline(always)]
fn cubic([a, b, c, d]: [[f64; SLOT]; 4], at: f64) -> [f64; SLOT] {
    let mut values = [0.0; SLOT];
    for (i, value) in values.iter_mut().enumerate() {
        let (a, b, c, d) = (a[i], b[i], c[i], d[i]);
        *value = b + at * (c - a + at * (2.0 * (a - b) + c - d + at * (b - a + d - c)));
    }
    values
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_levels_give_the_same_bytes(
            height in 1..20_usize, width in 1..20_usize, gray: bool,
            map in [-1.5..1.5_f64, -1.5..1.5, -9.0..9.0, -1.5..1.5, -1.5..1.5, -9.0..9.0],
            along: bool, seed: u8,
        ) {
            let shape = [height, width, if gray { 1 } else { 3 }];
            let pixels = 0..shape.iter().product();
            let image: Vec<u8> = pixels.map(|i: usize| (i * 97 + usize::from(seed)) as u8).collect();
            // A map along a row needs only one row.
            let map = if along { [map[0], map[1], map[2], 0.0, 1.0, 0.0] } else { map };
            let warped = |level| bicubic(level, &image, shape, map, &[1, 2, 3][..shape[2]]);
            let expected = warped(Level::PORTABLE);
            for level in Level::available() {
                prop_assert!(warped(level) == expected, "{level}");
            }
        }
    }
}
