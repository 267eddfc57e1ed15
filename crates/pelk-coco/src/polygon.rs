//! Polygons as masks, by COCO's rule.
//!
//! The rule works on a grid five times as fine as the pixels. Corners are rounded to that grid, edges become
//! discrete lines, and where a line steps over the middle of a column of pixels, its height there is rounded
//! to a pixel's border: a place that toggles all later pixels in column order. The reference walks along all
//! points of the fine grid; only the steps at `5 k + 2` count, and here they are found directly, so that the
//! work depends on the columns that an edge crosses and not on its length.

use crate::rle::check_size;
use crate::{MaskError, Rle};

/// The largest magnitude of a coordinate: five times it fits into the 32 bits of the reference.
const LIMIT: f64 = 1e8;
/// The crossings of one mask's outline, at most: 64 MiB of places.
const CROSSINGS: u64 = 1 << 24;

impl Rle {
    /// The mask of a polygon, `[x, y, x, y, ..]` of its corners in pixels from the image's top left corner,
    /// in an image of `[height, width]` pixels. The pixels are exactly pycocotools', not those whose centers
    /// lie inside. Parts outside of the image are cut off.
    ///
    /// # Errors
    /// [`MaskError`] if the numbers are not pairs of at least two corners, not finite or beyond 1e8, and for
    /// outlines over more than 2^24 columns.
    pub fn from_polygon(corners: &[f64], size: [usize; 2]) -> Result<Rle, MaskError> {
        let size = check_size(size)?;
        let (points, []) = corners.as_chunks::<2>() else {
            return Err(MaskError::Corners { found: corners.len() });
        };
        // Two corners are accepted as by the reference. They enclose nothing.
        if points.len() < 2 {
            return Err(MaskError::Corners { found: corners.len() });
        }
        for (index, &value) in corners.iter().enumerate() {
            if value.is_nan() || value.abs() > LIMIT {
                return Err(MaskError::Coordinate { index, value, limit: LIMIT });
            }
        }
        let points: Vec<[i64; 2]> =
            points.iter().map(|point| point.map(|value| (5.0 * value + 0.5) as i64)).collect();
        let edges = || points.iter().zip(points.iter().cycle().skip(1));
        let crossed = |(a, b): (&[i64; 2], &[i64; 2])| (a[0].abs_diff(b[0]) / 5 + 1).min(u64::from(size[1]));
        let found = edges().map(crossed).sum();
        if found > CROSSINGS {
            return Err(MaskError::TooComplex { found, limit: CROSSINGS });
        }
        let mut places = Vec::new();
        for (&a, &b) in edges() {
            edge(a, b, size, &mut places);
        }
        places.sort_unstable();
        Ok(Rle::from_toggles(&places, size))
    }

    /// The union of polygons, as the segmentation of one instance in an annotation file. If the first has
    /// four numbers, all of them are boxes `[x, y, width, height]`, as in pycocotools.
    ///
    /// # Errors
    /// [`MaskError::Empty`] without polygons, and those of [`Rle::from_polygon`].
    pub fn from_polygons<P: AsRef<[f64]>>(polygons: &[P], size: [usize; 2]) -> Result<Rle, MaskError> {
        let boxes = polygons.first().ok_or(MaskError::Empty)?.as_ref().len() == 4;
        let one = |polygon: &P| match *polygon.as_ref() {
            [x, y, w, h] if boxes => Rle::from_box([x, y, w, h], size),
            ref other if boxes => Err(MaskError::Corners { found: other.len() }),
            ref corners => Rle::from_polygon(corners, size),
        };
        let mut merged = one(&polygons[0])?;
        for polygon in &polygons[1..] {
            merged = Rle::union([&merged, &one(polygon)?])?;
        }
        Ok(merged)
    }

    /// The mask of a box `[x, y, width, height]`, by the rule of [`Rle::from_polygon`].
    ///
    /// # Errors
    /// Those of [`Rle::from_polygon`].
    pub fn from_box([x, y, width, height]: [f64; 4], size: [usize; 2]) -> Result<Rle, MaskError> {
        let (right, bottom) = (x + width, y + height);
        Rle::from_polygon(&[x, y, x, bottom, right, bottom, right, y], size)
    }
}

/// Appends the places at which an edge of the fine grid toggles the mask.
fn edge(a: [i64; 2], b: [i64; 2], [height, width]: [u32; 2], places: &mut Vec<u32>) {
    let (dx, dy) = ((a[0] - b[0]).abs(), (a[1] - b[1]).abs());
    if dx == 0 {
        return; // stays in its column
    }
    // The longer axis is walked from its smaller end, t = 0, 1, ..
    let along = usize::from(dx < dy);
    let ([xs, ys], [xe, ye]) = if a[along] > b[along] { (b, a) } else { (a, b) };
    let steps = dx.max(dy);
    let slope = (if along == 0 { ye - ys } else { xe - xs }) as f64 / steps as f64;
    // Cut toward zero, as the reference does.
    let across = |start: i64, t: i64| (start as f64 + slope * t as f64 + 0.5) as i64;
    let (first, last) = if along == 0 { (xs, xe) } else { (across(xs, 0), across(xs, steps)) };
    let (low, high) = (first.min(last), first.max(last));
    // The middle of column k is crossed between 5 k + 2 and 5 k + 3.
    let columns = (low + 2).div_euclid(5).max(0)..=(high - 3).div_euclid(5).min(i64::from(width) - 1);
    for k in columns {
        let y = if along == 0 {
            let t = 5 * k + 2 - xs;
            across(ys, t).min(across(ys, t + 1))
        } else {
            let crossed = |t| if slope > 0.0 { across(xs, t) > 5 * k + 2 } else { across(xs, t) < 5 * k + 3 };
            let guess = ((5 * k + 3 - xs) as f64 - 0.5) / slope;
            let mut t = (guess as i64).clamp(1, steps);
            while t < steps && !crossed(t) {
                t += 1;
            }
            while t > 1 && crossed(t - 1) {
                t -= 1;
            }
            ys + t - 1
        };
        let row = ((y as f64 + 0.5) / 5.0 - 0.5).clamp(0.0, f64::from(height)).ceil();
        places.push(k as u32 * height + row as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// COCO's rule as the reference states it: along all points of the fine grid.
    fn by_walking(corners: &[f64], [height, width]: [usize; 2]) -> Rle {
        let points: Vec<[i64; 2]> =
            corners.as_chunks::<2>().0.iter().map(|p| p.map(|v| (5.0 * v + 0.5) as i64)).collect();
        let mut path = Vec::new();
        for (i, &[mut xs, mut ys]) in points.iter().enumerate() {
            let [mut xe, mut ye] = points[(i + 1) % points.len()];
            let (dx, dy) = ((xe - xs).abs(), (ye - ys).abs());
            let flip = if dx >= dy { xs > xe } else { ys > ye };
            if flip {
                (xs, ys, xe, ye) = (xe, ye, xs, ys);
            }
            let n = dx.max(dy);
            let point = |t: i64| {
                let cut = |from: i64, to: i64| {
                    (from as f64 + if n == 0 { 0.0 } else { (to - from) as f64 / n as f64 } * t as f64 + 0.5)
                        as i64
                };
                if dx >= dy { [xs + t, cut(ys, ye)] } else { [cut(xs, xe), ys + t] }
            };
            path.extend((0..=n).map(|t| point(if flip { n - t } else { t })));
        }
        let mut bitmap = vec![false; height * width];
        for pair in path.windows(2) {
            if pair[0][0] == pair[1][0] {
                continue;
            }
            let x = (pair[0][0].min(pair[1][0]) as f64 + 0.5) / 5.0 - 0.5;
            if x.floor() != x || x < 0.0 || x > width as f64 - 1.0 {
                continue;
            }
            let y = (pair[0][1].min(pair[1][1]) as f64 + 0.5) / 5.0 - 0.5;
            let start = x as usize * height + y.clamp(0.0, height as f64).ceil() as usize;
            for place in start..height * width {
                bitmap[place % height * width + place / height] ^= true;
            }
        }
        Rle::from_bitmap(&bitmap, [height, width]).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn crossings_found_directly_are_those_of_the_walk(
            corners in prop::collection::vec([-12.0..40.0_f64, -12.0..40.0_f64], 2..9),
            decimals in 0..3, size in [1..30_usize, 1..30_usize],
        ) {
            let grid = 10_f64.powi(decimals);
            let corners = corners.into_iter().flatten();
            let corners: Vec<f64> = corners.map(|v| (v * grid).round() / grid).collect();
            prop_assert_eq!(Rle::from_polygon(&corners, size).unwrap(), by_walking(&corners, size));
        }
    }

    #[test]
    fn boxes_and_polygons_of_four_numbers_are_the_same() {
        let rle = Rle::from_polygons(&[vec![1.0, 1.0, 2.0, 1.0], vec![5.0, 0.0, 1.0, 2.0]], [3, 8]).unwrap();
        let both = [[1.0, 1.0, 2.0, 1.0], [5.0, 0.0, 1.0, 2.0]].map(|b| Rle::from_box(b, [3, 8]).unwrap());
        assert_eq!(rle, Rle::union(&both).unwrap());
        assert_eq!(rle.area(), 4);
        let line = [vec![0.0, 0.0, 4.0, 0.0, 4.0, 2.0], vec![1.0, 1.0, 6.0, 2.0]];
        assert_eq!(Rle::from_polygons(&line, [3, 8]), Rle::from_polygon(&line[0], [3, 8]));
    }

    #[test]
    fn huge_and_damaged_polygons_are_bounded_or_errors() {
        let far = [-9e7, -9e7, 9e7, -8e7, 8e7, 9e7];
        assert!(Rle::from_polygon(&far, [480, 640]).unwrap().area() > 0);
        let wide = [1, u32::MAX as usize];
        assert!(matches!(Rle::from_polygon(&far, wide), Err(MaskError::TooComplex { .. })));
        for bad in [f64::NAN, f64::INFINITY, -1e300, 1.1e8] {
            let error = Rle::from_polygon(&[0.0, 0.0, 1.0, 0.0, 1.0, bad], [4, 4]).unwrap_err();
            assert!(matches!(error, MaskError::Coordinate { index: 5, .. }), "{error}");
            assert!(Rle::from_box([0.0, bad, 1.0, 1.0], [4, 4]).is_err());
        }
        for count in [0, 1, 2, 3, 5, 7] {
            let error = Rle::from_polygon(&vec![0.0; count], [4, 4]).unwrap_err();
            assert_eq!(error, MaskError::Corners { found: count });
        }
        assert_eq!(Rle::from_polygons::<Vec<f64>>(&[], [4, 4]), Err(MaskError::Empty));
        assert!(Rle::from_polygons(&[vec![0.0; 4], vec![0.0; 6]], [4, 4]).is_err());
    }
}
