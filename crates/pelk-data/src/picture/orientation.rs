//! EXIF orientation: how to turn an image so that it is upright.

use std::ops::Sub;

/// `values`, with `channels` values for each pixel of an image of height and width `size`, turned as the EXIF
/// orientation says (1 to 8; the upright image is returned by 1), and the new height and width.
pub(crate) fn upright<T: Copy>(
    values: Vec<T>,
    channels: usize,
    size: [usize; 2],
    orientation: u8,
) -> ([usize; 2], Vec<T>) {
    let [height, width] = size;
    let turned = if orientation > 4 { [width, height] } else { size };
    if !(2..=8).contains(&orientation) {
        return (size, values);
    }
    let mut result = Vec::with_capacity(values.len());
    for y in 0..turned[0] {
        for x in 0..turned[1] {
            let [row, column] = match orientation {
                2 => [y, width - 1 - x],
                3 => [height - 1 - y, width - 1 - x],
                4 => [height - 1 - y, x],
                5 => [x, y],
                6 => [height - 1 - x, y],
                7 => [height - 1 - x, width - 1 - y],
                _ => [x, width - 1 - y],
            };
            result.extend_from_slice(&values[(row * width + column) * channels..][..channels]);
        }
    }
    (turned, result)
}

/// Where the box `[left, top, right, bottom]` of an image of height and width `size` lies in the image that
/// [`upright`] makes of it.
pub(crate) fn upright_box<T: Copy + Sub<Output = T>>(
    [left, top, right, bottom]: [T; 4],
    [height, width]: [T; 2],
    orientation: u8,
) -> [T; 4] {
    match orientation {
        2 => [width - right, top, width - left, bottom],
        3 => [width - right, height - bottom, width - left, height - top],
        4 => [left, height - bottom, right, height - top],
        5 => [top, left, bottom, right],
        6 => [height - bottom, left, height - top, right],
        7 => [height - bottom, width - right, height - top, width - left],
        8 => [top, width - right, bottom, width - left],
        _ => [left, top, right, bottom],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_turned_with_its_pixels() {
        let (size, outline) = ([5, 7], [1, 2, 4, 3]);
        let inside = |[left, top, right, bottom]: [usize; 4], [height, width]: [usize; 2]| {
            let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
            pixels
                .map(|(y, x)| (top..bottom).contains(&y) && (left..right).contains(&x))
                .collect::<Vec<bool>>()
        };
        for orientation in 0..=9 {
            let (turned, pixels) = upright(inside(outline, size), 1, size, orientation);
            let outline = upright_box(outline, size, orientation);
            assert_eq!(inside(outline, turned), pixels, "{orientation}");
        }
    }

    #[test]
    fn images_are_turned_as_pillow_turns_them() {
        // `ImageOps.exif_transpose` of an image of 2 x 3 pixels.
        for (orientation, size, expected) in [
            (1, [2, 3], [1, 2, 3, 4, 5, 6]),
            (2, [2, 3], [3, 2, 1, 6, 5, 4]),
            (3, [2, 3], [6, 5, 4, 3, 2, 1]),
            (4, [2, 3], [4, 5, 6, 1, 2, 3]),
            (5, [3, 2], [1, 4, 2, 5, 3, 6]),
            (6, [3, 2], [4, 1, 5, 2, 6, 3]),
            (7, [3, 2], [6, 3, 5, 2, 4, 1]),
            (8, [3, 2], [3, 6, 2, 5, 1, 4]),
        ] {
            let labels: Vec<u32> = (1..=6).collect();
            assert_eq!(upright(labels, 1, [2, 3], orientation), (size, expected.to_vec()), "{orientation}");
            let colors: Vec<u8> = (1..=6).flat_map(|value| [value, 10 * value, 255 - value]).collect();
            let expected = expected.into_iter().flat_map(|it| [it as u8, 10 * it as u8, 255 - it as u8]);
            assert_eq!(upright(colors, 3, [2, 3], orientation), (size, expected.collect()), "{orientation}");
        }
    }
}
