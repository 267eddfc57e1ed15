//! Pictures composed of the items of another dataset: backgrounds and pasted items.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

/// A square RGB picture in the making: values on the scale of bytes, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Canvas {
    side: usize,
    pixels: Vec<[f32; 3]>,
}

/// A grey picture that is pasted into a canvas: its brightness, and how much it covers what is behind it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sprite {
    side: usize,
    pixels: Vec<f32>,
}

impl Canvas {
    /// A background of square blocks of random grey with `noise` on it, a deviation on the scale of bytes.
    pub fn textured(rng: &mut impl Rng, side: usize, block: usize, noise: f32) -> Canvas {
        let blocks = side.div_ceil(block);
        let grey: Vec<f32> = (0..blocks * blocks).map(|_| 40.0 + 50.0 * rng.random::<f32>()).collect();
        let pixels = (0..side * side).map(|place| {
            let (y, x) = (place / side, place % side);
            let grey = grey[y / block * blocks + x / block];
            [(); 3].map(|()| {
                let normal: f32 = StandardNormal.sample(rng);
                grey + noise * normal
            })
        });
        Canvas { side, pixels: pixels.collect() }
    }

    /// Lays a sprite over the canvas with its top left pixel at `corner` (row, column), wholly inside. Each colour of it
    /// is its brightness, dimmed to three quarters and lifted by 64 so that it stands out from the background, times
    /// `tint`.
    pub fn paste(&mut self, sprite: &Sprite, [top, left]: [usize; 2], tint: [f32; 3]) {
        for (y, row) in sprite.pixels.chunks_exact(sprite.side).enumerate() {
            let behind = &mut self.pixels[(top + y) * self.side + left..][..sprite.side];
            for (pixel, &brightness) in behind.iter_mut().zip(row) {
                let cover = Sprite::cover(brightness);
                for (value, tint) in pixel.iter_mut().zip(tint) {
                    *value += cover * ((0.75 * brightness + 64.0) * tint - *value);
                }
            }
        }
    }

    /// The picture as bytes, side x side x 3.
    pub fn into_bytes(self) -> Vec<u8> {
        self.pixels.as_flattened().iter().map(|value| value.round().clamp(0.0, 255.0) as u8).collect()
    }
}

impl Sprite {
    /// A square grey image, resized to `side` pixels (bilinear, half-pixel centres) and perhaps mirrored.
    pub fn new(image: &[u8], size: usize, side: usize, mirrored: bool) -> Sprite {
        // The two source pixels of each target pixel, and the second one's share.
        let sources: Vec<(usize, usize, f32)> = (0..side)
            .map(|at| {
                let place =
                    ((at as f32 + 0.5) * size as f32 / side as f32 - 0.5).clamp(0.0, (size - 1) as f32);
                let first = place as usize;
                (first, (first + 1).min(size - 1), place - first as f32)
            })
            .collect();
        let mut pixels = Vec::with_capacity(side * side);
        for &(top, bottom, down) in &sources {
            for column in 0..side {
                let (left, right, across) = sources[if mirrored { side - 1 - column } else { column }];
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

    /// How much a pixel of this brightness covers: the images are black around their item.
    fn cover(brightness: f32) -> f32 {
        (brightness / 40.0).min(1.0)
    }

    /// The mean cover of the pixels of the `cell` x `cell` square whose first pixel is `corner` (row, column, which may lie
    /// outside); outside the sprite nothing is covered.
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
    fn a_background_has_blocks_of_grey_with_noise() {
        let plain = Canvas::textured(&mut stream(1, Purpose::Compose, 0, 0), 6, 4, 0.0);
        let grey = |y: usize, x: usize| plain.pixels[y * 6 + x][0];
        assert_eq!((grey(0, 0), grey(4, 5)), (grey(3, 3), grey(5, 4)));
        assert_ne!(grey(0, 0), grey(0, 4));
        assert!(plain.pixels.as_flattened().iter().all(|value| (40.0..=90.0).contains(value)));
        let noisy = Canvas::textured(&mut stream(1, Purpose::Compose, 0, 0), 200, 200, 12.0);
        let values = noisy.pixels.as_flattened();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / values.len() as f32;
        assert!((variance.sqrt() - 12.0).abs() < 0.2, "{variance}");
    }

    #[test]
    fn a_sprite_covers_where_it_is_bright() {
        let mut canvas = Canvas { side: 4, pixels: vec![[10.0; 3]; 16] };
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
}
