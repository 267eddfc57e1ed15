//! The pixels of an annotated instance: polygons and run lengths.

use serde::{Deserialize, Serialize};

/// The pixels that an annotation covers, in COCO's format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Segmentation {
    /// Polygons, each as x, y, x, y... of its corners, in pixels from the image's top left corner.
    Polygons(Vec<Vec<f64>>),
    /// Run lengths.
    Runs(Runs),
    /// Run lengths packed into text, which are not supported.
    Packed {
        /// The text.
        counts: String,
    },
}

/// The lengths of runs of pixels, alternately outside and inside: column by column from the left, each from
/// the top.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Runs {
    pub counts: Vec<usize>,
    /// Height and width of the image.
    pub size: [usize; 2],
}

impl Segmentation {
    /// The problem with it for an image of this size, if any.
    pub fn problem(&self, size @ [height, width]: [usize; 2]) -> Option<String> {
        match self {
            Self::Polygons(polygons) if polygons.is_empty() => Some("has no polygon: add one".into()),
            Self::Polygons(polygons) => {
                let odd = polygons.iter().find(|polygon| polygon.len() < 6 || polygon.len() % 2 != 0)?;
                Some(format!(
                    "has a polygon of {} numbers: give x and y of at least three corners",
                    odd.len()
                ))
            }
            Self::Runs(runs) if runs.size != size => {
                let [rows, columns] = runs.size;
                Some(format!(
                    "is for {rows} x {columns} pixels, but its image has {height} x {width}: correct either"
                ))
            }
            Self::Runs(runs) => {
                let sum = runs.counts.iter().try_fold(0_usize, |sum, &count| sum.checked_add(count));
                let expected = height.checked_mul(width);
                (sum.is_none() || sum != expected).then(|| {
                    format!(
                        "has run lengths that do not add up to the {height} x {width} pixels of its image"
                    )
                })
            }
            Self::Packed { .. } => {
                Some("has run lengths packed into text: give them as numbers, or polygons".into())
            }
        }
    }

    /// Calls `mark` with the row-major index of each covered pixel in an image of this size; possibly more
    /// than once.
    pub fn for_each(&self, size: [usize; 2], mut mark: impl FnMut(usize)) {
        match self {
            Self::Polygons(polygons) => {
                for polygon in polygons {
                    fill(polygon, size, &mut mark);
                }
            }
            Self::Runs(runs) => runs.for_each(mark),
            Self::Packed { .. } => {}
        }
    }
}

/// Marks the pixels whose centers lie inside a polygon by the even-odd rule.
fn fill(polygon: &[f64], [height, width]: [usize; 2], mark: &mut impl FnMut(usize)) {
    let (corners, _) = polygon.as_chunks::<2>();
    // The number of pixel centers (0.5, 1.5, 2.5...) before a coordinate.
    let before = |place: f64, limit: usize| ((place - 0.5).ceil().max(0.0) as usize).min(limit);
    let edge =
        |fold: fn(f64, f64) -> f64, start| corners.iter().fold(start, |edge, corner| fold(edge, corner[1]));
    let rows = before(edge(f64::min, f64::MAX), height)..before(edge(f64::max, f64::MIN), height);
    for y in rows {
        let middle = y as f64 + 0.5;
        let mut crossings: Vec<f64> = Vec::new();
        for (i, &[x1, y1]) in corners.iter().enumerate() {
            let [x2, y2] = corners[(i + 1) % corners.len()];
            if (y1 <= middle) != (y2 <= middle) {
                crossings.push(x1 + (middle - y1) / (y2 - y1) * (x2 - x1));
            }
        }
        crossings.sort_by(f64::total_cmp);
        for &[enter, leave] in crossings.as_chunks::<2>().0 {
            (before(enter, width)..before(leave, width)).for_each(|x| mark(y * width + x));
        }
    }
}

impl Runs {
    /// The runs of a mask, height x width, row-major.
    pub fn of(mask: &[bool], size @ [height, width]: [usize; 2]) -> Runs {
        let mut counts = vec![0];
        let mut inside = false;
        for place in (0..width).flat_map(|x| (0..height).map(move |y| y * width + x)) {
            if mask[place] != inside {
                inside = !inside;
                counts.push(0);
            }
            *counts.last_mut().expect("one at least") += 1;
        }
        Runs { counts, size }
    }

    /// Calls `mark` with the row-major index of each covered pixel.
    fn for_each(&self, mut mark: impl FnMut(usize)) {
        let [height, width] = self.size;
        let mut at = 0;
        for (i, &count) in self.counts.iter().enumerate() {
            if i % 2 == 1 {
                (at..at + count).for_each(|at| mark(at % height * width + at / height));
            }
            at += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mask(shape: &Segmentation, size: [usize; 2]) -> Vec<u8> {
        let mut mask = vec![0; size[0] * size[1]];
        shape.for_each(size, |place| mask[place] = 1);
        mask
    }

    #[test]
    fn runs_go_down_the_columns() {
        let runs = Segmentation::Runs(Runs { counts: vec![1, 2, 2, 1], size: [2, 3] });
        assert_eq!(mask(&runs, [2, 3]), [0, 1, 0, 1, 0, 1]);
        let runs = Segmentation::Runs(Runs { counts: vec![0, 6], size: [2, 3] });
        assert_eq!(mask(&runs, [2, 3]), [1; 6]);
    }

    #[test]
    fn a_polygon_covers_the_pixels_whose_centers_it_contains() {
        let square = Segmentation::Polygons(vec![vec![1.0, 0.6, 3.0, 0.6, 3.0, 2.4, 1.0, 2.4]]);
        assert_eq!(mask(&square, [3, 4]), [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]);
        let triangle = Segmentation::Polygons(vec![vec![0.0, 0.0, 4.0, 4.0, 0.0, 4.0]]);
        assert_eq!(
            mask(&triangle, [4, 4]).iter().sum::<u8>(),
            6,
            "the centers on the diagonal lie on the edge"
        );
        let beyond = Segmentation::Polygons(vec![vec![-9.0, -9.0, 9.0, -9.0, 9.0, 9.0, -9.0, 9.0]]);
        assert_eq!(mask(&beyond, [2, 3]), [1; 6]);
        // A ring crosses itself; two polygons are one instance.
        let ring = vec![
            0.0, 0.0, 5.0, 0.0, 5.0, 5.0, 0.0, 5.0, 0.0, 0.0, 1.0, 1.0, 4.0, 1.0, 4.0, 4.0, 1.0, 4.0, 1.0,
            1.0,
        ];
        let hole = mask(&Segmentation::Polygons(vec![ring.clone()]), [5, 5]);
        assert_eq!(hole.iter().sum::<u8>(), 25 - 9, "{hole:?}");
        let both = Segmentation::Polygons(vec![ring, vec![2.0, 2.0, 3.0, 2.0, 3.0, 3.0, 2.0, 3.0]]);
        assert_eq!(mask(&both, [5, 5]).iter().sum::<u8>(), 25 - 8);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let read = |text: &str| serde_json::from_str::<Segmentation>(text).unwrap();
        for (text, expected) in [
            ("[]", "no polygon"),
            ("[[1, 2, 3, 4]]", "a polygon of 4 numbers"),
            ("[[0, 0, 1, 1, 2, 0], [1, 2, 3, 4, 5, 6, 7]]", "a polygon of 7 numbers"),
            (r#"{"counts": [1, 2], "size": [2, 3]}"#, "do not add up to the 2 x 3 pixels"),
            (r#"{"counts": [18446744073709551615, 7], "size": [2, 3]}"#, "do not add up"),
            (r#"{"counts": [6], "size": [3, 2]}"#, "is for 3 x 2 pixels, but its image has 2 x 3"),
            (r#"{"counts": "PaX0", "size": [2, 3]}"#, "packed into text"),
        ] {
            let problem = read(text).problem([2, 3]).unwrap();
            assert!(problem.contains(expected), "{problem}");
        }
        for text in ["[[0, 0, 1, 1, 2, 0.5]]", r#"{"counts": [2, 4], "size": [2, 3]}"#] {
            assert_eq!(read(text).problem([2, 3]), None);
        }
        let large = Segmentation::Runs(Runs { counts: vec![1], size: [usize::MAX, 2] });
        assert!(large.problem([usize::MAX, 2]).is_some());
    }

    proptest! {
        #[test]
        fn runs_lead_back_to_their_mask(
            (size, bits) in [1..9_usize, 1..9_usize].prop_flat_map(|size| {
                (Just(size), prop::collection::vec(any::<bool>(), size[0] * size[1]))
            }),
        ) {
            let runs = Segmentation::Runs(Runs::of(&bits, size));
            prop_assert_eq!(runs.problem(size), None);
            prop_assert!(mask(&runs, size).iter().zip(&bits).all(|(&marked, &bit)| (marked == 1) == bit));
        }

        #[test]
        fn any_polygon_stays_in_the_picture(
            polygon in prop::collection::vec(-1e3..1e3_f64, 6..20), size in [1..9_usize, 1..9_usize],
        ) {
            mask(&Segmentation::Polygons(vec![polygon]), size);
        }
    }
}
