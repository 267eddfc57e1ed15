//! Images composed of items of another dataset: backgrounds and pasted items.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use crate::resize::{Source, sources};

/// An RGB image being composed: values in 0..255, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Canvas {
    /// Height and width.
    size: [usize; 2],
    pixels: Vec<[f32; 3]>,
}

/// A square gray image to paste into a canvas; its brightness decides how much it covers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sprite {
    side: usize,
    pixels: Vec<f32>,
}

/// Cell sizes of a texture's octaves, in pixels.
const OCTAVES: [usize; 4] = [48, 24, 12, 6];

impl Canvas {
    /// A square background of blocks of random gray, with noise of this standard deviation on the scale 0 to
    /// 255.
    pub fn blocks(rng: &mut impl Rng, side: usize, block: usize, noise: f32) -> Canvas {
        let blocks = side.div_ceil(block);
        let gray: Vec<f32> = (0..blocks * blocks).map(|_| 40.0 + 50.0 * rng.random::<f32>()).collect();
        let pixels = (0..side * side).map(|place| {
            let (y, x) = (place / side, place % side);
            let gray = gray[y / block * blocks + x / block];
            [(); 3].map(|()| {
                let normal: f32 = StandardNormal.sample(rng);
                gray + noise * normal
            })
        });
        Canvas { size: [side, side], pixels: pixels.collect() }
    }

    /// A background of a random color, 40 to 190, with smooth textures: for each of [`OCTAVES`], random
    /// values at the corners of square cells, in its own color; finer ones are weaker. `texture` is the
    /// largest change of a value by the coarsest octave, on the scale 0 to 255.
    pub fn textured(rng: &mut impl Rng, size: [usize; 2], texture: f32) -> Canvas {
        let base = [(); 3].map(|()| 40.0 + 150.0 * rng.random::<f32>());
        let mut pixels = vec![base; size[0] * size[1]];
        let mut strength = texture;
        for cell in OCTAVES {
            let color = [(); 3].map(|()| strength * (2.0 * rng.random::<f32>() - 1.0));
            let corners = size.map(|side| side.div_ceil(cell) + 1);
            let values: Vec<f32> =
                (0..corners[0] * corners[1]).map(|_| 2.0 * rng.random::<f32>() - 1.0).collect();
            // Smooth steps from corner to corner, with slope 0 at both.
            let steps: Vec<f32> = (0..cell)
                .map(|at| (at as f32 + 0.5) / cell as f32)
                .map(|part| part * part * (3.0 - 2.0 * part))
                .collect();
            for (y, row) in pixels.chunks_exact_mut(size[1]).enumerate() {
                let above = &values[y / cell * corners[1]..][..2 * corners[1]];
                let corner = |x: usize| above[x] + steps[y % cell] * (above[corners[1] + x] - above[x]);
                for (x, part) in row.chunks_mut(cell).enumerate() {
                    let (left, right) = (corner(x), corner(x + 1));
                    for (pixel, step) in part.iter_mut().zip(&steps) {
                        let value = left + step * (right - left);
                        for (channel, color) in pixel.iter_mut().zip(color) {
                            *channel += value * color;
                        }
                    }
                }
            }
            strength *= 0.7;
        }
        Canvas { size, pixels }
    }

    /// Adds independent normal noise of this standard deviation, on the scale 0 to 255.
    pub fn add_noise(&mut self, rng: &mut impl Rng, deviation: f32) {
        for value in self.pixels.as_flattened_mut() {
            let normal: f32 = StandardNormal.sample(rng);
            *value += deviation * normal;
        }
    }

    /// Pastes a sprite with its top left pixel at `corner` (row, column), which may lie outside. Each color
    /// is the brightness, dimmed to three quarters and raised by 64 to stand out from the background, times
    /// `tint`.
    pub fn paste(&mut self, sprite: &Sprite, corner: [isize; 2], tint: [f32; 3]) {
        for (place, brightness) in sprite.within(corner, self.size) {
            let cover = Sprite::cover(brightness);
            for (value, tint) in self.pixels[place].iter_mut().zip(tint) {
                *value += cover * ((0.75 * brightness + 64.0) * tint - *value);
            }
        }
    }

    /// The image as bytes, height x width x 3.
    pub fn into_bytes(self) -> Vec<u8> {
        self.pixels.as_flattened().iter().map(|value| value.round().clamp(0.0, 255.0) as u8).collect()
    }
}

impl Sprite {
    /// A square gray image, resized to `side` pixels (bilinear, half-pixel centers) and optionally mirrored.
    pub fn new(image: &[u8], size: usize, side: usize, mirrored: bool) -> Sprite {
        let sources: Vec<Source> = sources(size, side, 0..side).collect();
        let mut pixels = Vec::with_capacity(side * side);
        for &Source { between: [top, bottom], share: down } in &sources {
            for column in 0..side {
                let source = sources[if mirrored { side - 1 - column } else { column }];
                let Source { between: [left, right], share: across } = source;
                let row = |y: usize| {
                    let (a, b) = (f32::from(image[y * size + left]), f32::from(image[y * size + right]));
                    a + across * (b - a)
                };
                let (a, b) = (row(top), row(bottom));
                pixels.push(a + down * (b - a));
            }
        }
        Sprite { side, pixels }
    }

    /// How much a pixel of this brightness covers, 0 to 1: the images are black around their items.
    pub fn cover(brightness: f32) -> f32 {
        (brightness / 40.0).min(1.0)
    }

    /// Its side in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// The brightness of each of its pixels, row-major.
    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }

    /// Its pixels inside an image of `size`, with its top left pixel at `corner` (row, column), which may lie
    /// outside: the index of each in the image, row-major, and its brightness.
    pub fn within(
        &self,
        [top, left]: [isize; 2],
        [height, width]: [usize; 2],
    ) -> impl Iterator<Item = (usize, f32)> {
        let inside = |from: isize, length: usize| {
            let end = (length as isize - from).clamp(0, self.side as isize);
            (-from).clamp(0, end)..end
        };
        let columns = inside(left, width);
        inside(top, height).flat_map(move |y| {
            columns.clone().map(move |x| {
                let place = (top + y) as usize * width + (left + x) as usize;
                (place, self.pixels[y as usize * self.side + x as usize])
            })
        })
    }

    /// The mean cover of a `cell` x `cell` square whose first pixel is `corner` (row, column), which may lie
    /// outside; pixels outside the sprite count as 0.
    pub fn cover_of(&self, [top, left]: [isize; 2], cell: usize) -> f32 {
        let inside = |from: isize| {
            (from.max(0) as usize)..((from + cell as isize).clamp(0, self.side as isize) as usize)
        };
        let mut sum = 0.0;
        for y in inside(top) {
            sum += inside(left).map(|x| Sprite::cover(self.pixels[y * self.side + x])).sum::<f32>();
        }
        sum / (cell * cell) as f32
    }
}

#[cfg(test)]
mod tests {
    use pelk_random::{Purpose, stream};

    use super::*;

    #[test]
    fn resizing_keeps_flat_images_and_ramps() {
        assert_eq!(Sprite::new(&[7; 16], 4, 6, false).pixels, [7.0; 36]);
        let ramp: Vec<u8> = (0..64).map(|place| 30 * (place % 8)).collect();
        let (half, mirrored) = (Sprite::new(&ramp, 8, 4, false), Sprite::new(&ramp, 8, 4, true));
        assert_eq!(half.pixels[..4], [15.0, 75.0, 135.0, 195.0]);
        assert_eq!(mirrored.pixels[4..8], [195.0, 135.0, 75.0, 15.0]);
        let same = Sprite::new(&ramp, 8, 8, false);
        assert_eq!(same.pixels, ramp.iter().map(|&byte| f32::from(byte)).collect::<Vec<_>>());
    }

    #[test]
    fn blocks_of_gray_have_noise() {
        let plain = Canvas::blocks(&mut stream(1, Purpose::Compose, 0, 0), 6, 4, 0.0);
        let gray = |y: usize, x: usize| plain.pixels[y * 6 + x][0];
        assert_eq!((gray(0, 0), gray(4, 5)), (gray(3, 3), gray(5, 4)));
        assert_ne!(gray(0, 0), gray(0, 4));
        assert!(plain.pixels.as_flattened().iter().all(|value| (40.0..=90.0).contains(value)));
        let noisy = Canvas::blocks(&mut stream(1, Purpose::Compose, 0, 0), 200, 200, 12.0);
        let values = noisy.pixels.as_flattened();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / values.len() as f32;
        assert!((variance.sqrt() - 12.0).abs() < 0.2, "{variance}");
    }

    #[test]
    fn a_sprite_covers_where_it_is_bright() {
        let mut canvas = Canvas { size: [4, 4], pixels: vec![[10.0; 3]; 16] };
        let sprite = Sprite { side: 2, pixels: vec![0.0, 20.0, 40.0, 255.0] };
        canvas.paste(&sprite, [1, 2], [1.0, 1.0, 0.0]);
        assert_eq!(canvas.pixels[6], [10.0; 3], "black covers nothing");
        assert_eq!(canvas.pixels[7], [10.0 + 0.5 * (79.0 - 10.0), 44.5, 5.0]);
        assert_eq!(canvas.pixels[10], [94.0, 94.0, 0.0]);
        assert_eq!(canvas.clone().into_bytes()[33..36], [255, 255, 0]);
        assert_eq!(sprite.cover_of([0, 0], 2), (0.5 + 1.0 + 1.0) / 4.0);
        assert_eq!(sprite.cover_of([-1, 1], 2), 0.5 / 4.0);
        assert_eq!(sprite.cover_of([5, 0], 2), 0.0);
    }

    #[test]
    fn a_sprite_is_cut_by_the_border() {
        let sprite = Sprite { side: 2, pixels: vec![1.0, 2.0, 3.0, 4.0] };
        let within = |corner| sprite.within(corner, [3, 4]).collect::<Vec<_>>();
        assert_eq!(within([1, 2]), [(6, 1.0), (7, 2.0), (10, 3.0), (11, 4.0)]);
        assert_eq!(within([-1, 3]), [(3, 3.0)]);
        assert_eq!(within([2, -1]), [(8, 2.0)]);
        assert_eq!(
            [within([-2, 0]), within([3, 0]), within([0, 9]), within([-7, -7])],
            [(); 4].map(|()| vec![])
        );
    }

    #[test]
    fn a_texture_is_smooth_and_has_the_given_strength() {
        let make = |texture| Canvas::textured(&mut stream(2, Purpose::Compose, 0, 0), [70, 50], texture);
        let flat = make(0.0).pixels;
        assert!(flat.iter().all(|pixel| *pixel == flat[0]));
        let smooth = make(100.0).pixels;
        let change = |a: &[f32; 3], b: &[f32; 3]| (0..3).map(|i| (a[i] - b[i]).abs()).fold(0.0, f32::max);
        // The steepest step of a cell of s pixels is 1.5 / s of twice its strength, 100 and 0.7 times less
        // each.
        let steepest = 300.0 * (1.0 / 48.0 + 0.7 / 24.0 + 0.49 / 12.0 + 0.343 / 6.0);
        for (place, pixel) in smooth.iter().enumerate() {
            assert!(change(pixel, &flat[0]) <= 100.0 + 70.0 + 49.0 + 34.3);
            if place % 50 > 0 {
                assert!(change(pixel, &smooth[place - 1]) <= steepest);
            }
            if place >= 50 {
                assert!(change(pixel, &smooth[place - 50]) <= steepest);
            }
        }
        assert!(smooth.iter().any(|pixel| change(pixel, &flat[0]) > 50.0));
        let mut noisy = make(0.0);
        noisy.add_noise(&mut stream(2, Purpose::Compose, 0, 1), 9.0);
        let squares = noisy.pixels.iter().zip(&flat).flat_map(|(a, b)| (0..3).map(|i| (a[i] - b[i]).powi(2)));
        let deviation = (squares.sum::<f32>() / (70.0 * 50.0 * 3.0)).sqrt();
        assert!((deviation - 9.0).abs() < 0.3, "{deviation}");
    }
}
