//! Between the caller's memory (N, H, W, C images, parameters by channel) and planes of channel blocks, in
//! which every element is a vector of neighboring channels.

use pelk_simd::{Level, MAX_LANES, Simd};

/// Neighboring channels that share vectors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// The instructions to use; `channels` is at most its number of lanes.
    pub level: Level,
    /// The first channel.
    pub first: usize,
    /// Number of channels; the other lanes hold meaningless values.
    pub channels: usize,
}

/// Cuts channels into blocks. The channels left over after full vectors take the narrowest vectors that hold
/// them.
pub(super) fn blocks(level: Level, channels: usize) -> Vec<Block> {
    let full = channels - channels % level.lanes();
    let block = |first, level: Level| Block { level, first, channels: level.lanes().min(channels - first) };
    let mut blocks: Vec<Block> = (0..full).step_by(level.lanes()).map(|first| block(first, level)).collect();
    if full < channels {
        let wide_enough = |other: &Level| *other <= level && other.lanes() >= channels - full;
        let narrowest = Level::available().into_iter().rev().filter(wide_enough).min_by_key(|l| l.lanes());
        blocks.push(block(full, narrowest.unwrap_or(level)));
    }
    blocks
}

/// The widest level that has narrower vectors than this one.
pub(super) fn narrower(level: Level) -> Option<Level> {
    Level::available().into_iter().rev().find(|other| other.lanes() < level.lanes())
}

/// One channel block of one image in the caller's memory.
#[derive(Clone, Copy)]
pub(super) struct Channels<'a> {
    /// H, W, C.
    pub image: &'a [f32],
    /// Values from one pixel to the next, C.
    pub stride: usize,
    pub block: Block,
}

impl Channels<'_> {
    /// Fills `row` with pixels: the one with this number in the image, and the following ones at the given
    /// step.
    ///
    /// Lanes past the block's channels get what follows in memory: whole vectors load faster, and those lanes
    /// never mix with others and are never stored.
    #[inline(always)]
    pub fn load_row<S: Simd>(&self, simd: S, number: usize, step: usize, row: &mut [S::V]) {
        let (first, step) = (number * self.stride + self.block.first, step * self.stride);
        let whole = match self.image.len().checked_sub(first + S::LANES) {
            Some(behind) => row.len().min(behind / step + 1),
            None => 0,
        };
        for (x, v) in row[..whole].iter_mut().enumerate() {
            // SAFETY: for this many pixels there are LANES values from the first on, as was just computed.
            *v = unsafe { simd.load_ptr(self.image.as_ptr().add(first + x * step)) };
        }
        for (x, v) in row.iter_mut().enumerate().skip(whole) {
            *v = simd.load_partial(&self.image[first + x * step..]);
        }
    }
}

/// Parameters, and channels, that are transposed together.
const GROUP: usize = 8;

/// Where groups begin so that they cover `len` parameters, at least [`GROUP`]: the last may overlap the one
/// before.
fn groups(len: usize) -> impl Iterator<Item = usize> {
    (0..len).step_by(GROUP).map(move |first| first.min(len - GROUP))
}

/// Packs the parameters of a block, `len` a channel; `flipped` turns the kernel by 180 degrees, which
/// reverses them.
///
/// `theta` is `[C, len]`; `packed` has `len` vectors.
#[inline(always)]
pub(super) fn load_theta<S: Simd>(
    simd: S,
    theta: &[f32],
    len: usize,
    flipped: bool,
    block: Block,
    packed: &mut [S::V],
) {
    let theta = &theta[block.first * len..][..block.channels * len];
    let packed = &mut packed[..len];
    let full = if len < GROUP { 0 } else { block.channels - block.channels % GROUP };
    for first in (0..full).step_by(GROUP) {
        for parameter in groups(len) {
            // SAFETY: eight channels from `first` on have at least eight parameters from `parameter` on, and
            // as many vectors have at least eight lanes from `first` on, since those of a block have a lane
            // for every channel.
            unsafe {
                let from = theta.as_ptr().add(first * len + parameter);
                let to = packed.as_mut_ptr().cast::<f32>().add(parameter * S::LANES + first);
                simd.transpose_8x8(from, len, to, S::LANES);
            }
        }
    }
    if full < block.channels {
        for (parameter, v) in packed.iter_mut().enumerate() {
            let mut lanes = [0.0; MAX_LANES];
            simd.store(*v, &mut lanes);
            for (lane, channel) in lanes.iter_mut().zip(theta.chunks_exact(len)).skip(full) {
                *lane = channel[parameter];
            }
            *v = simd.load(&lanes);
        }
    }
    if flipped {
        packed.reverse();
    }
}

impl Block {
    /// The values of each of the block's channels, one channel after the other.
    #[inline(always)]
    pub fn unpack<S: Simd>(self, simd: S, packed: &[S::V]) -> Vec<f32> {
        let len = packed.len();
        let mut values = vec![0.0; self.channels.next_multiple_of(GROUP) * len];
        if len < GROUP {
            for (parameter, &v) in packed.iter().enumerate() {
                let mut lanes = [0.0; MAX_LANES];
                simd.store(v, &mut lanes);
                for (channel, lane) in values.chunks_exact_mut(len).zip(lanes) {
                    channel[parameter] = lane;
                }
            }
        } else {
            for first in (0..self.channels).step_by(GROUP) {
                for parameter in groups(len) {
                    // SAFETY: as in `load_theta`, with the two sides exchanged.
                    unsafe {
                        let from = packed.as_ptr().cast::<f32>().add(parameter * S::LANES + first);
                        let to = values.as_mut_ptr().add(first * len + parameter);
                        simd.transpose_8x8(from, S::LANES, to, len);
                    }
                }
            }
        }
        values.truncate(self.channels * len);
        values
    }
}

/// The kernel of one channel as the caller holds it: k' rows of l' parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct ThetaLayout {
    pub rows: usize,
    pub columns: usize,
}

impl ThetaLayout {
    /// Parameters of a channel.
    pub fn len(self) -> usize {
        self.rows * self.columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_every_channel_with_the_narrowest_vectors() {
        for level in Level::available() {
            for channels in [1, 4, 8, 9, 16, 17, 36, 61] {
                let blocks = blocks(level, channels);
                let mut next = 0;
                for block in &blocks {
                    assert_eq!(block.first, next);
                    assert!(block.channels >= 1 && block.channels <= block.level.lanes());
                    assert!(block.level <= level);
                    next += block.channels;
                }
                assert_eq!(next, channels);
                let padding: usize = blocks.iter().map(|b| b.level.lanes() - b.channels).sum();
                assert!(padding < 8, "{level}, {channels} channels: {blocks:?}");
            }
        }
    }
}
