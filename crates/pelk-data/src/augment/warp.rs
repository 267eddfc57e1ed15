//! Images whose pixels move by an affine map, interpolated as PIL's bicubic `transform`.

/// The place in the source of the pixel at (x, y), both at pixel centres: `a x + b y + c` and `d x + e y + f`.
pub(super) type Affine = [f64; 6];

/// The image whose pixels lie at those places of `image`, `[height, width, channels]`; outside it is `fill`, one value a channel.
///
/// Interpolates between 4 x 4 pixels by cubics with the slope of the neighbours' difference (the parameter -1, unlike the -1/2
/// with which PIL resizes); pixels beyond the border repeat it. Values are cut off, not rounded.
pub(super) fn bicubic(
    image: &[u8],
    [height, width, channels]: [usize; 3],
    [a, b, c, d, e, f]: Affine,
    fill: &[u8],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(image.len());
    for row in 0..height {
        for column in 0..width {
            let (x, y) = (column as f64 + 0.5, row as f64 + 0.5);
            let (x, y) = (a * x + b * y + c, d * x + e * y + f);
            if !(x >= 0.0 && x < width as f64 && y >= 0.0 && y < height as f64) {
                out.extend_from_slice(fill);
                continue;
            }
            let (columns, across) = neighbours(x, width);
            let (rows, down) = neighbours(y, height);
            for channel in 0..channels {
                let line = |y: usize| {
                    cubic(columns.map(|x| f64::from(image[(y * width + x) * channels + channel])), across)
                };
                // A float's conversion to a byte cuts off, and keeps to the range.
                out.push(cubic(rows.map(line), down) as u8);
            }
        }
    }
    out
}

/// The four pixels of a line around a place, and how far it lies from the second to the third.
fn neighbours(at: f64, length: usize) -> ([usize; 4], f64) {
    let at = at - 0.5;
    let first = at.floor();
    let pixel = |step: f64| (first + step).clamp(0.0, (length - 1) as f64) as usize;
    ([-1.0, 0.0, 1.0, 2.0].map(pixel), at - first)
}

fn cubic([a, b, c, d]: [f64; 4], at: f64) -> f64 {
    b + at * (c - a + at * (2.0 * (a - b) + c - d + at * (b - a + d - c)))
}
