//! Random boxes for the tests.

use proptest::collection::{SizeRange, vec};
use proptest::prelude::*;

/// Boxes on a coarse lattice, so that equal overlaps and empty boxes occur, each with something else.
pub fn boxes_with<T: Strategy>(
    other: T,
    size: impl Into<SizeRange>,
) -> impl Strategy<Value = Vec<([f32; 4], T::Value)>> {
    let corner = (0..12_u8, 0..12_u8, 0..9_u8, 0..9_u8);
    let one = corner.prop_map(|(x, y, w, h)| [x, y, x + w, y + h].map(|v| f32::from(v) * 2.5));
    vec((one, other), size)
}

/// As [`boxes_with`], without the something else.
pub fn boxes(size: impl Into<SizeRange>) -> impl Strategy<Value = Vec<[f32; 4]>> {
    boxes_with(Just(()), size).prop_map(|items| items.into_iter().map(|item| item.0).collect())
}
