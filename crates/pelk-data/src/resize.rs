//! Resizing of images (bilinear) and of label maps (nearest), or of a part of them.
//!
//! Our own code, because it computes only the part that a crop shows, and because libraries smooth what they
//! shrink, unlike the resizing that published recipes were tuned with.

use std::ops::Range;

use crate::Rectangle;

/// The longest side that images may be scaled to, in pixels, so that sizes of buffers cannot overflow.
pub(crate) const LONGEST: usize = 1 << 15;

/// The sources of a value of a resized line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Source {
    /// The two values to interpolate between.
    pub between: [usize; 2],
    /// The weight of the second value.
    pub share: f32,
}

/// Height and width of an image of `size`, scaled with its aspect ratio kept to the largest size within
/// `factor` times `fit`, the limits of the longer and the shorter side in pixels; for `fit` `[0, 0]` to
/// `factor` times its own size. Rounded as in MMSegmentation.
pub fn scaled_size(size: [usize; 2], fit: [usize; 2], factor: f64) -> [usize; 2] {
    let sides = [size[0].max(size[1]), size[0].min(size[1])];
    let fit = if fit == [0, 0] { sides } else { fit };
    // Conversion to an integer truncates.
    let ratio = |i: usize| (fit[i] as f64 * factor).trunc().max(1.0) / sides[i] as f64;
    let ratio = ratio(0).min(ratio(1));
    size.map(|side| ((side as f64 * ratio + 0.5) as usize).max(1))
}

/// The sources of values `part` of a line of `from` values that is resized to `to` values: linear
/// interpolation with half-pixel centers; the border is repeated.
pub(crate) fn sources(from: usize, to: usize, part: Range<usize>) -> impl Iterator<Item = Source> {
    part.map(move |at| {
        let place = ((at as f32 + 0.5) * from as f32 / to as f32 - 0.5).clamp(0.0, (from - 1) as f32);
        // The same size keeps all values, even if positions are too large for the precision of `f32`.
        let first = if from == to { at } else { place as usize };
        let share = if from == to { 0.0 } else { place - first as f32 };
        Source { between: [first, (first + 1).min(from - 1)], share }
    })
}

/// A part of an image that is resized.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// Height and width of the image, at least 1.
    pub from: [usize; 2],
    /// Height and width that the image is resized to, at least 1.
    pub to: [usize; 2],
    /// The visible part of the resized image.
    pub part: Rectangle,
}

impl View {
    /// The visible part of an image of bytes, height x width x channels, in 0..1.
    pub fn bilinear(&self, image: &[u8], channels: usize) -> Vec<f32> {
        let part = self.part;
        let length = self.from[1] * channels;
        let mut out = Vec::with_capacity(part.height * part.width * channels);
        let columns: Vec<_> = sources(self.from[1], self.to[1], part.columns()).collect();
        for Source { between, share: down } in sources(self.from[0], self.to[0], part.rows()) {
            let [above, below] = between.map(|y| &image[y * length..][..length]);
            for &Source { between, share: across } in &columns {
                let [left, right] = between.map(|x| x * channels);
                for channel in 0..channels {
                    let line = |row: &[u8]| {
                        let (a, b) = (f32::from(row[left + channel]), f32::from(row[right + channel]));
                        a + across * (b - a)
                    };
                    let (a, b) = (line(above), line(below));
                    out.push((a + down * (b - a)) / 255.0);
                }
            }
        }
        out
    }

    /// The visible part of a map with one value per pixel, height x width: the value under each pixel's
    /// center.
    pub fn nearest<T: Copy>(&self, map: &[T]) -> Vec<T> {
        let source = |at: usize, axis: usize| (2 * at + 1) * self.from[axis] / (2 * self.to[axis]);
        let columns: Vec<_> = self.part.columns().map(|x| source(x, 1)).collect();
        let rows = self.part.rows().map(|y| &map[source(y, 0) * self.from[1]..][..self.from[1]]);
        rows.flat_map(|row| columns.iter().map(|&x| row[x])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(from: [usize; 2], to: [usize; 2]) -> View {
        View { from, to, part: Rectangle::whole(to) }
    }

    #[test]
    fn linear_values_have_half_pixel_centers() {
        let line = |view: View, bytes: &[u8]| -> Vec<f32> {
            view.bilinear(bytes, 1).iter().map(|value| value * 255.0).collect()
        };
        assert_eq!(line(whole([1, 2], [1, 4]), &[0, 80]), [0.0, 20.0, 60.0, 80.0]);
        assert_eq!(line(whole([4, 1], [2, 1]), &[0, 40, 80, 160]), [20.0, 120.0]);
        assert_eq!(line(whole([1, 5000], [1, 5000]), &[7; 5000]), [7.0; 5000]);
    }

    #[test]
    fn nearest_values_are_those_under_the_middles() {
        assert_eq!(whole([1, 2], [1, 4]).nearest(&[1, 2]), [1, 1, 2, 2]);
        assert_eq!(whole([1, 3], [1, 1]).nearest(&[1, 2, 3]), [2]);
        assert_eq!(whole([2, 2], [3, 2]).nearest(&[1, 2, 3, 4]), [1, 2, 3, 4, 3, 4]);
    }

    #[test]
    fn a_part_is_cut_out_of_the_whole() {
        let image: Vec<u8> = (0..5 * 4 * 2).map(|i| i * 6).collect();
        for to in [[5, 4], [7, 9], [3, 2]] {
            let view = whole([5, 4], to);
            let part = Rectangle { top: 1, left: 1, height: 2, width: 1 };
            let cut = View { part, ..view };
            let all = view.bilinear(&image, 2);
            let at = |y: usize| &all[(y * to[1] + 1) * 2..][..2];
            assert_eq!(cut.bilinear(&image, 2), [at(1), at(2)].concat());
            let all = view.nearest(&image[..20]);
            assert_eq!(cut.nearest(&image[..20]), [all[to[1] + 1], all[2 * to[1] + 1]]);
        }
    }
}
