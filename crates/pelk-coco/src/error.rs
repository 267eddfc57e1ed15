//! What can be wrong with a mask.

use thiserror::Error;

/// Why a mask is invalid, or why masks cannot be combined.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum MaskError {
    /// A side is 0, or the mask has more pixels than a `u32` can count.
    #[error(
        "a mask of {height} x {width} pixels is not supported: both sides must be at least 1, and the pixels \
         at most {}",
        u32::MAX
    )]
    Size {
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
    },
    /// A bitmap does not have as many values as its size has pixels.
    #[error("a bitmap of {height} x {width} pixels has {found} values: it must have {}", height * width)]
    BitmapLength {
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
        /// The number of values.
        found: usize,
    },
    /// The runs do not cover the mask.
    #[error("the runs add up to {found} pixels, but the mask has {height} x {width} = {}", height * width)]
    Sum {
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
        /// The sum of the runs.
        found: u64,
    },
    /// A character cannot occur in packed runs.
    #[error(
        "character {position} of the packed runs is {found:?}: they consist of the characters '0' to 'o'"
    )]
    Character {
        /// Where, counted in bytes from 0.
        position: usize,
        /// The character.
        found: char,
    },
    /// The packed runs end within a number.
    #[error("the packed runs end in the middle of a number: the text was cut off")]
    Truncated,
    /// A packed run is negative or does not fit into a `u32`.
    #[error("run {index} of the packed runs is not a number from 0 to {}", u32::MAX)]
    Run {
        /// Its place, counted from 0.
        index: usize,
    },
    /// Two masks that belong together differ in size.
    #[error("masks of {} x {} and of {} x {} pixels do not belong to the same image",
        first[0], first[1], second[0], second[1])]
    SizesDiffer {
        /// Height and width of one mask.
        first: [usize; 2],
        /// Height and width of the other one.
        second: [usize; 2],
    },
    /// No mask or polygon was given where at least one is needed.
    #[error("there is no polygon or mask: give at least one")]
    Empty,
    /// A polygon has too few numbers, or an odd number of them.
    #[error("a polygon has {found} numbers: give x and y of each corner, and at least three corners")]
    Corners {
        /// How many numbers it has.
        found: usize,
    },
    /// A coordinate is not finite or too large.
    #[error("coordinate {index} is {value}: it must be within {limit:e} pixels of the image's corner")]
    Coordinate {
        /// Its place among the numbers of the polygon or box, counted from 0.
        index: usize,
        /// Its value.
        value: f64,
        /// The largest magnitude that is accepted.
        limit: f64,
    },
    /// The outline of a polygon crosses too many columns of pixels.
    #[error("the outline crosses {found} columns of pixels: at most {limit} are supported")]
    TooComplex {
        /// The crossings, columns counted once for each edge.
        found: u64,
        /// The most that are accepted.
        limit: u64,
    },
}
