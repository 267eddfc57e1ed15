//! What can be wrong with a grid or with a slice laid out by one.

use crate::MAX_KERNEL;

/// Why a grid cannot be made, or why a slice does not fit one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GridError {
    /// An even kernel has no center tap.
    #[error("a kernel of {kernel} taps a side has no center tap; use an odd size such as {}", odd_neighbors(*kernel))]
    EvenKernel {
        /// Side of the kernel.
        kernel: usize,
    },
    /// The kernel is beyond [`MAX_KERNEL`].
    #[error("a kernel of {kernel} taps a side is too large; at most {MAX_KERNEL} are supported")]
    KernelTooLarge {
        /// Side of the kernel (`usize::MAX` where the sum of the intervals does not fit).
        kernel: usize,
    },
    /// A square of even side cannot lie around the center tap.
    #[error("a fine center of {center} taps a side has no middle; use an odd size such as {}", odd_neighbors(*center))]
    EvenCenter {
        /// Side of the fine center.
        center: usize,
    },
    /// The fine center sticks out of the kernel.
    #[error("a fine center of {center} taps a side does not fit a kernel of {kernel}; use at most {kernel}")]
    CenterTooLarge {
        /// Side of the fine center.
        center: usize,
        /// Side of the kernel.
        kernel: usize,
    },
    /// Intervals must grow outwards, so they need a factor of at least 2.
    #[error(
        "base {base} does not make intervals grow; use 2 (the paper's) or more, or a dense grid for no sharing"
    )]
    Base {
        /// Growth factor from one interval to the next.
        base: usize,
    },
    /// There is nothing to make a grid of.
    #[error("no intervals given; a grid needs at least one, the center")]
    NoIntervals,
    /// An interval without taps.
    #[error("an interval of 0 taps; every interval must cover at least 1")]
    ZeroInterval,
    /// A symmetric axis has a middle interval, hence an odd number of them.
    #[error("{count} intervals have no middle one; give an odd number, the same on both sides of the center")]
    EvenCount {
        /// Number of intervals.
        count: usize,
    },
    /// The two halves of an axis differ.
    #[error(
        "intervals must be symmetric, but number {position} is {left} from the left and {right} from the right \
         (if this was meant as one half, outer edge to center, it must be read as a half grid)"
    )]
    NotSymmetric {
        /// Place in the list, counted from 1.
        position: usize,
        /// Length at that place counted from the left.
        left: usize,
        /// Length at that place counted from the right.
        right: usize,
    },
    /// The text is not a list of numbers.
    #[error(
        "\"{item}\" is not a number of taps; give whole numbers separated by commas, such as 9,8,4,2,1,1,1"
    )]
    Parse {
        /// The item that could not be read.
        item: String,
    },
    /// A slice does not hold whole channels.
    #[error("{len} values are not a whole number of channels of {height} x {width}")]
    Length {
        /// Length of the slice.
        len: usize,
        /// Rows of one channel.
        height: usize,
        /// Columns of one channel.
        width: usize,
    },
    /// The dense kernel has more taps than can be counted.
    #[error("{channels} channels of {height} x {width} taps are more than memory can address")]
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
    use super::GridError;
    use crate::MAX_KERNEL;

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
