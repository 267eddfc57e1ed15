//! Arithmetic of boxes: encoding as deltas, overlaps, generalized overlap. Operators, their references and
//! decisions on the host share it.
//!
//! A box is `[x1, y1, x2, y2]` in continuous pixels: its width is `x2 - x1`, and pixel `i` covers
//! `[i, i + 1)`. The rules and their order of operations are those of MMDetection 2.11.

use std::ops::{Add, Div, Mul, Neg, Sub};

mod sealed {
    pub trait Sealed {}
}

/// A number that boxes are made of: `f32`, or `f64` in references.
pub trait Coordinate:
    sealed::Sealed
    + Copy
    + PartialOrd
    + Default
    + From<f32>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The natural exponential function.
    #[must_use]
    fn exp(self) -> Self;
    /// The natural logarithm.
    #[must_use]
    fn ln(self) -> Self;
}

macro_rules! coordinate {
    ($($float:ident)*) => {$(
        impl sealed::Sealed for $float {}
        impl Coordinate for $float {
            #[inline]
            fn exp(self) -> Self {
                $float::exp(self)
            }
            #[inline]
            fn ln(self) -> Self {
                $float::ln(self)
            }
        }
    )*};
}
coordinate!(f32 f64);

/// How a box is written as four deltas from another box: `dx = (gx - px) / pw`, `dy = (gy - py) / ph`,
/// `dw = ln(gw / pw)`, `dh = ln(gh / ph)` from centers and sizes, minus the mean, divided by the standard
/// deviation (`DeltaXYWHBBoxCoder` of MMDetection).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxCoder {
    /// Means of the four deltas.
    pub means: [f32; 4],
    /// Standard deviations of the four deltas.
    pub stds: [f32; 4],
    /// Decoding limits the change of a side to this factor and to its inverse.
    pub max_ratio: f32,
}

impl Default for BoxCoder {
    /// Plain deltas, as the region proposal network has them: means 0, deviations 1, sides limited to
    /// 16/1000.
    fn default() -> Self {
        Self::with_stds([1.0; 4])
    }
}

impl BoxCoder {
    /// The coder with these standard deviations, means 0 and the limit 16/1000.
    pub fn with_stds(stds: [f32; 4]) -> Self {
        Self { means: [0.0; 4], stds, max_ratio: 16.0 / 1000.0 }
    }

    /// The deltas of `target` from `from`. Both must have a positive area.
    #[inline]
    pub fn encode<T: Coordinate>(&self, from: &[T; 4], target: &[T; 4]) -> [T; 4] {
        let [px, py, pw, ph] = center_and_size(from);
        let [gx, gy, gw, gh] = center_and_size(target);
        let deltas = [(gx - px) / pw, (gy - py) / ph, (gw / pw).ln(), (gh / ph).ln()];
        std::array::from_fn(|i| (deltas[i] - self.means[i].into()) / self.stds[i].into())
    }

    /// The box that has these deltas from `from`, clamped to an image of `[height, width]` pixels if given.
    #[inline]
    pub fn decode<T: Coordinate>(&self, from: &[T; 4], deltas: &[T; 4], image: Option<[usize; 2]>) -> [T; 4] {
        let ([cx, cy, w, h], _) = self.decoded(from, deltas);
        let corners = corners(cx, cy, w, h);
        match image {
            Some(image) => clamp_to_image(&corners, image),
            None => corners,
        }
    }

    /// The gradient of [`BoxCoder::decode`] by the deltas, for the gradient `gy` of the box. Where a clamp
    /// changed the value, the gradient is 0; at its bounds it passes.
    pub fn decode_gradient<T: Coordinate>(
        &self,
        from: &[T; 4],
        deltas: &[T; 4],
        image: Option<[usize; 2]>,
        gy: &[T; 4],
    ) -> [T; 4] {
        let ([cx, cy, w, h], free) = self.decoded(from, deltas);
        let mut gy = *gy;
        if let Some(image) = image {
            let corners = corners(cx, cy, w, h);
            let clamped = clamp_to_image(&corners, image);
            for i in 0..4 {
                if corners[i] != clamped[i] {
                    gy[i] = T::default();
                }
            }
        }
        let half: T = 0.5.into();
        let [_, _, pw, ph] = center_and_size(from);
        let keep = |free: bool, g: T| if free { g } else { T::default() };
        let by_deltas = [
            pw * (gy[0] + gy[2]),
            ph * (gy[1] + gy[3]),
            keep(free[0], w * half * (gy[2] - gy[0])),
            keep(free[1], h * half * (gy[3] - gy[1])),
        ];
        std::array::from_fn(|i| by_deltas[i] * self.stds[i].into())
    }

    /// Center and size of the decoded box, and whether width and height were left as they are by the limit.
    #[inline]
    fn decoded<T: Coordinate>(&self, from: &[T; 4], deltas: &[T; 4]) -> ([T; 4], [bool; 2]) {
        let [px, py, pw, ph] = center_and_size(from);
        let d: [T; 4] = std::array::from_fn(|i| deltas[i] * self.stds[i].into() + self.means[i].into());
        let limit = -T::from(self.max_ratio).ln();
        let [dw, dh] = [clamp(d[2], -limit, limit), clamp(d[3], -limit, limit)];
        ([px + pw * d[0], py + ph * d[1], pw * dw.exp(), ph * dh.exp()], [dw == d[2], dh == d[3]])
    }
}

/// The box with every coordinate clamped to `0..=width` or `0..=height` of the image `[height, width]`.
#[inline]
pub fn clamp_to_image<T: Coordinate>(b: &[T; 4], [height, width]: [usize; 2]) -> [T; 4] {
    let (height, width) = (T::from(height as f32), T::from(width as f32));
    let zero = T::default();
    [clamp(b[0], zero, width), clamp(b[1], zero, height), clamp(b[2], zero, width), clamp(b[3], zero, height)]
}

/// `(x2 - x1) (y2 - y1)`.
#[inline]
pub fn area<T: Coordinate>(b: &[T; 4]) -> T {
    (b[2] - b[0]) * (b[3] - b[1])
}

/// The area that two boxes share; 0 if they do not overlap.
#[inline]
pub fn intersection<T: Coordinate>(a: &[T; 4], b: &[T; 4]) -> T {
    let width = least(a[2], b[2]) - greatest(a[0], b[0]);
    let height = least(a[3], b[3]) - greatest(a[1], b[1]);
    greatest(width, T::default()) * greatest(height, T::default())
}

/// Intersection over union, as NMS compares it; 0 for two empty boxes.
#[inline]
pub fn iou<T: Coordinate>(a: &[T; 4], b: &[T; 4]) -> T {
    let shared = intersection(a, b);
    let union = area(a) + area(b) - shared;
    if union == T::default() { union } else { shared / union }
}

/// Intersection over union, by which targets are assigned; a union below 1e-6 counts as 1e-6.
#[inline]
pub fn iou_for_assignment<T: Coordinate>(a: &[T; 4], b: &[T; 4]) -> T {
    let shared = intersection(a, b);
    let union = area(a) + area(b) - shared;
    shared / at_least(union, 1e-6.into())
}

/// Generalized intersection over union (Rezatofighi et al., CVPR 2019) and its gradient by `b`:
/// `inter / union - (hull - union) / hull`, union and hull at least 1e-7; the hull is the area of the
/// smallest box around both. The loss is 1 minus the value. Where two coordinates are equal, each gets half
/// of the gradient, as in PyTorch.
pub fn giou<T: Coordinate>(b: &[T; 4], target: &[T; 4]) -> (T, [T; 4]) {
    let (zero, one, half, eps) = (T::default(), T::from(1.0), T::from(0.5), T::from(1e-7));
    // The gradient that flows to the first argument of a maximum.
    let share = |a: T, b: T| {
        if a > b {
            one
        } else if a == b {
            half
        } else {
            zero
        }
    };
    let [inner, hull]: [[T; 2]; 2] = [
        std::array::from_fn(|i| least(b[i + 2], target[i + 2]) - greatest(b[i], target[i])),
        std::array::from_fn(|i| greatest(b[i + 2], target[i + 2]) - least(b[i], target[i])),
    ];
    let side = |v: T| greatest(v, zero);
    let shared = side(inner[0]) * side(inner[1]);
    let raw_union = area(b) + area(target) - shared;
    let raw_hull = side(hull[0]) * side(hull[1]);
    let (union, whole) = (at_least(raw_union, eps), at_least(raw_hull, eps));
    let value = shared / union - (whole - union) / whole;

    let by_union = (one / whole - shared / (union * union)) * share(raw_union, eps);
    let by_hull = -(union / (whole * whole)) * share(raw_hull, eps);
    let by_shared = one / union - by_union;
    let gradient = std::array::from_fn(|i| {
        let (axis, other, low) = (i % 2, 1 - i % 2, i < 2);
        let sign = if low { -one } else { one };
        // A lower corner is the inner box's if it is the greater one, an upper corner if it is the less one.
        let (in_inner, in_hull) = match low {
            true => (share(b[i], target[i]), share(target[i], b[i])),
            false => (share(target[i], b[i]), share(b[i], target[i])),
        };
        let open = |v: T| if v >= zero { one } else { zero };
        let own_area = b[other + 2] - b[other];
        sign * (by_union * own_area
            + by_shared * side(inner[other]) * open(inner[axis]) * in_inner
            + by_hull * side(hull[other]) * open(hull[axis]) * in_hull)
    });
    (value, gradient)
}

#[inline]
fn center_and_size<T: Coordinate>(b: &[T; 4]) -> [T; 4] {
    let half: T = 0.5.into();
    [(b[0] + b[2]) * half, (b[1] + b[3]) * half, b[2] - b[0], b[3] - b[1]]
}

#[inline]
fn corners<T: Coordinate>(cx: T, cy: T, w: T, h: T) -> [T; 4] {
    let half: T = 0.5.into();
    [cx - w * half, cy - h * half, cx + w * half, cy + h * half]
}

#[inline]
fn greatest<T: Coordinate>(a: T, b: T) -> T {
    if a > b { a } else { b }
}

#[inline]
fn least<T: Coordinate>(a: T, b: T) -> T {
    if a < b { a } else { b }
}

/// The greater of both; NaN stays NaN.
#[inline]
fn at_least<T: Coordinate>(value: T, bound: T) -> T {
    if value < bound { bound } else { value }
}

/// `value` within the bounds; NaN stays NaN.
#[inline]
fn clamp<T: Coordinate>(value: T, low: T, high: T) -> T {
    if value < low {
        low
    } else if value > high {
        high
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_box() -> impl Strategy<Value = [f64; 4]> {
        (-50.0..50.0, -50.0..50.0, 1.0..60.0, 1.0..60.0).prop_map(|(x, y, w, h)| [x, y, x + w, y + h])
    }

    fn coder() -> BoxCoder {
        BoxCoder { means: [0.1, -0.2, 0.3, 0.05], ..BoxCoder::with_stds([0.1, 0.1, 0.2, 0.2]) }
    }

    /// The derivative of `f` by each of the four numbers, by central differences.
    fn differences(at: &[f64; 4], f: impl Fn(&[f64; 4]) -> f64) -> [f64; 4] {
        std::array::from_fn(|i| {
            let (mut up, mut down) = (*at, *at);
            up[i] += 1e-6;
            down[i] -= 1e-6;
            (f(&up) - f(&down)) / 2e-6
        })
    }

    fn close(a: &[f64; 4], b: &[f64; 4], tolerance: f64) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance * (1.0 + b.abs()))
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(from in any_box(), target in any_box()) {
            let decoded = coder().decode(&from, &coder().encode(&from, &target), None);
            prop_assert!(close(&decoded, &target, 1e-9), "{decoded:?}");
        }

        #[test]
        fn the_gradient_of_decoding_is_that_of_differences(
            from in any_box(), deltas in prop::array::uniform4(-25.0..25.0_f64),
            gy in prop::array::uniform4(-1.0..1.0), clamped in any::<bool>(),
        ) {
            let image = clamped.then_some([40, 50]);
            let f = |d: &[f64; 4]| {
                coder().decode(&from, d, image).iter().zip(&gy).map(|(y, g)| y * g).sum()
            };
            // Within the step of a bound, differences see both sides of it.
            let ratios = [deltas[2] * 0.2 + 0.3, deltas[3] * 0.2 + 0.05];
            prop_assume!(ratios.iter().all(|r| (r.abs() + 0.016_f64.ln()).abs() > 1e-5));
            let free = coder().decode(&from, &deltas, None);
            let bounds = [[0.0, 50.0], [0.0, 40.0], [0.0, 50.0], [0.0, 40.0]];
            prop_assume!((0..4).all(|i| bounds[i].iter().all(|b| (free[i] - b).abs() > 1e-3)));
            let gradient = coder().decode_gradient(&from, &deltas, image, &gy);
            let expected = differences(&deltas, f);
            prop_assert!(close(&gradient, &expected, 1e-5), "{gradient:?} {expected:?}");
        }

        #[test]
        fn the_gradient_of_giou_is_that_of_differences(b in any_box(), target in any_box()) {
            let apart = |x: f64, i: usize| (target[i] - x).abs() > 1e-3;
            prop_assume!((0..4).all(|i| apart(b[i], i % 2) && apart(b[i], i % 2 + 2)));
            let (_, gradient) = giou(&b, &target);
            let expected = differences(&b, |b| giou(b, &target).0);
            prop_assert!(close(&gradient, &expected, 1e-6), "{gradient:?} {expected:?}");
        }

        #[test]
        fn overlaps_are_symmetric_and_bounded(a in any_box(), b in any_box()) {
            let (value, _) = giou(&a, &b);
            prop_assert_eq!(iou(&a, &b), iou(&b, &a));
            prop_assert_eq!(iou(&a, &b), iou_for_assignment(&a, &b));
            prop_assert!((0.0..=1.0).contains(&iou(&a, &b)));
            prop_assert!(value > -1.0 && value <= iou(&a, &b) + 1e-12);
        }
    }

    #[test]
    fn overlaps_have_the_values_worked_out_by_hand() {
        let (a, b) = ([0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 3.0, 3.0_f32]);
        assert_eq!(iou(&a, &b), 1.0 / 7.0);
        assert_eq!(giou(&a, &b).0, 1.0 / 7.0 - 2.0 / 9.0);
        assert_eq!(giou(&a, &a), (1.0, [0.0; 4]));
        let empty = [1.0_f32; 4];
        assert_eq!([iou(&empty, &empty), iou_for_assignment(&empty, &empty)], [0.0; 2]);
        // Only the assignment sees the bound of the union: the box of 1e-8 pixels covers itself.
        let tiny = [0.0, 0.0, 1e-4, 1e-4_f64];
        assert_eq!(iou(&tiny, &tiny), 1.0);
        assert!((iou_for_assignment(&tiny, &tiny) - 0.01).abs() < 1e-9);
    }

    #[test]
    fn sides_and_coordinates_stop_at_their_bounds_and_pass_the_gradient_there() {
        let coder = BoxCoder { max_ratio: 0.5, ..BoxCoder::default() };
        let from = [10.0, 10.0, 20.0, 20.0_f64];
        assert_eq!(coder.decode(&from, &[0.0, 0.0, 9.0, -9.0], None), [5.0, 12.5, 25.0, 17.5]);
        let gy = [-1.0, -1.0, 1.0, 1.0];
        assert_eq!(coder.decode_gradient(&from, &[0.0, 0.0, 9.0, -9.0], None, &gy), [0.0; 4]);
        // The box touches the image's edges exactly: nothing was clamped.
        let at_edge = coder.decode_gradient(&from, &[0.0; 4], Some([20, 20]), &gy);
        assert_eq!(at_edge, coder.decode_gradient(&from, &[0.0; 4], None, &gy));
        assert_eq!(at_edge, [0.0, 0.0, 10.0, 10.0]);
        assert_eq!(coder.decode(&from, &[1.0, 0.0, 0.0, 0.0], Some([20, 20])), [20.0, 10.0, 20.0, 20.0]);
    }

    #[test]
    fn nan_is_not_hidden() {
        let (nan, good) = ([0.0, f32::NAN, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]);
        assert!(giou(&nan, &good).0.is_nan());
        let decoded = BoxCoder::default().decode(&good, &[0.0, 0.0, f32::NAN, 0.0], Some([4, 4]));
        assert!(decoded[0].is_nan() && decoded[2].is_nan());
    }
}
