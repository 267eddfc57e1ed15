//! Errors in grids, and in slices with the layout of a grid.

/// The largest kernel side, 4095 taps.
///
/// Such a kernel reaches 2047 pixels to each side, and one dense channel of it takes 64 MiB in `f32`. The
/// limit keeps a mistyped size from using all memory.
pub const MAX_KERNEL: usize = 4095;

/// Why a grid is invalid, or why a slice does not fit a grid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GridError {
    /// An even kernel has no center tap.
    #[error(
        "a kernel of {kernel} taps per side has no center tap; use an odd size such as {}",
        odd_neighbors(*kernel)
    )]
    EvenKernel {
        /// Side of the kernel.
        kernel: usize,
    },
    /// The kernel is larger than [`MAX_KERNEL`].
    #[error("a kernel of {kernel} taps per side is too large; the limit is {MAX_KERNEL}")]
    KernelTooLarge {
        /// Side of the kernel (`usize::MAX` if the sum of the intervals overflows).
        kernel: usize,
    },
    /// A square of even side cannot be centered on the center tap.
    #[error(
        "a fine center of {center} taps per side has no middle; use an odd size such as {}",
        odd_neighbors(*center)
    )]
    EvenCenter {
        /// Side of the fine center.
        center: usize,
    },
    /// The fine center is larger than the kernel.
    #[error(
        "a fine center of {center} taps per side does not fit into a kernel of {kernel}; use at most {kernel}"
    )]
    CenterTooLarge {
        /// Side of the fine center.
        center: usize,
        /// Side of the kernel.
        kernel: usize,
    },
    /// Intervals must grow toward the edges, by a factor of at least 2.
    #[error(
        "intervals do not grow with base {base}; use 2 (as in the paper) or more, or a dense grid for no \
         sharing"
    )]
    Base {
        /// Growth factor from one interval to the next.
        base: usize,
    },
    /// The list of intervals is empty.
    #[error("no intervals; a grid needs at least one, the center")]
    NoIntervals,
    /// An interval has no taps.
    #[error("an interval has 0 taps; every interval needs at least 1")]
    ZeroInterval,
    /// A symmetric axis has a middle interval, so their number is odd.
    #[error("{count} intervals have no middle one; use an odd number, the same on both sides of the center")]
    EvenCount {
        /// Number of intervals.
        count: usize,
    },
    /// The two halves of an axis differ.
    #[error(
        "intervals must be symmetric, but number {position} is {left} from the left and {right} from the \
         right (a list from the outer edge to the center is a half grid)"
    )]
    NotSymmetric {
        /// Position in the list, counted from 1.
        position: usize,
        /// Length at that position, counted from the left.
        left: usize,
        /// Length at that position, counted from the right.
        right: usize,
    },
    /// The text is not a list of numbers.
    #[error(
        "\"{item}\" is not a number of taps; use whole numbers separated by commas, such as 9,8,4,2,1,1,1"
    )]
    Parse {
        /// The item that could not be read.
        item: String,
    },
    /// The length of a slice is not a multiple of a channel.
    #[error("{len} values are not a whole number of channels of {height} x {width}")]
    Length {
        /// Length of the slice.
        len: usize,
        /// Rows of one channel.
        height: usize,
        /// Columns of one channel.
        width: usize,
    },
    /// The dense kernel does not fit into memory.
    #[error("{channels} channels of {height} x {width} taps do not fit into memory")]
    OutputTooLarge {
        /// Number of channels.
        channels: usize,
        /// Rows of one channel.
        height: usize,
        /// Columns of one channel.
        width: usize,
    },
}

/// The odd sizes next to an even one, as text: "3 or 5" for 4, "1" for 0.
fn odd_neighbors(even: usize) -> String {
    match even {
        0 => "1".to_owned(),
        _ => format!("{} or {}", even - 1, even.saturating_add(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::{GridError, MAX_KERNEL};

    #[test]
    fn texts_say_what_would_be_right() {
        let text = GridError::EvenKernel { kernel: 50 }.to_string();
        assert!(text.contains("49 or 51"), "{text}");
        let text = GridError::EvenCenter { center: 0 }.to_string();
        assert!(text.ends_with("such as 1"), "{text}");
        let text = GridError::KernelTooLarge { kernel: 9999 }.to_string();
        assert!(text.contains(&MAX_KERNEL.to_string()), "{text}");
    }
}
