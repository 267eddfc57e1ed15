//! Between the caller's memory (N, H, W, C images, parameters by channel) and planes of channel blocks, in
//! which every element is a vector of neighbouring channels.

use super::plan::Plan;
use crate::simd::{Level, MAX_LANES, Simd};

/// Neighbouring channels that share vectors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// The instructions to use; `channels` is at most its number of lanes.
    pub level: Level,
    /// The first channel.
    pub first: usize,
    /// Number of channels; further lanes hold values of no meaning.
    pub channels: usize,
}

/// Cuts channels into blocks. What full vectors leave over takes the narrowest vectors that hold it.
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
    /// Reads as many pixels as `row` holds, from the pixel of this number in the image on.
    ///
    /// Lanes past the block's channels get what follows in memory: whole vectors load faster, and those lanes
    /// meet no others and are never stored.
    #[inline(always)]
    pub fn load_row<S: Simd>(&self, simd: S, number: usize, row: &mut [S::V]) {
        let first = number * self.stride + self.block.first;
        for (x, v) in row.iter_mut().enumerate() {
            let pixel = &self.image[first + x * self.stride..];
            *v = simd.load_partial(&pixel[..pixel.len().min(S::LANES)]);
        }
    }
}

/// Packs the rows of parameters of a block that meet the image; `flipped` turns the kernel by 180 degrees.
///
/// `theta` is `[C, k', l']`; `packed` has [`Plan::theta_len`] vectors.
#[inline(always)]
pub(super) fn load_theta<S: Simd>(
    simd: S,
    plan: &Plan,
    theta: &[f32],
    layout: ThetaLayout,
    flipped: bool,
    block: Block,
    packed: &mut [S::V],
) {
    // Eight parameters of eight channels at a time, transposed on the stack.
    const GROUP: usize = 8;
    let mut first = plan.rows.cells.start * layout.columns;
    for packed in packed.chunks_mut(GROUP) {
        let n = packed.len();
        let from = if flipped { layout.len() - first - n } else { first };
        let mut transposed = [[0.0_f32; MAX_LANES]; GROUP];
        for lanes in (0..block.channels).step_by(GROUP) {
            let mut rows = [[0.0_f32; GROUP]; GROUP];
            for (lane, row) in (lanes..block.channels).zip(&mut rows) {
                let channel = &theta[(block.first + lane) * layout.len()..][from..from + n];
                match <&[f32; GROUP]>::try_from(channel) {
                    Ok(channel) => *row = *channel,
                    Err(_) => row[..n].copy_from_slice(channel),
                }
            }
            let to = transposed.as_mut_ptr().cast::<f32>();
            // SAFETY: `rows` has eight rows of eight; `transposed` has eight rows of MAX_LANES, and `lanes` is 0 or
            // 8, with as many lanes behind it, since a block has at most MAX_LANES channels.
            unsafe { simd.transpose_8x8(rows.as_ptr().cast(), GROUP, to.add(lanes), MAX_LANES) };
        }
        for (i, v) in packed.iter_mut().enumerate() {
            *v = simd.load(&transposed[if flipped { n - 1 - i } else { i }]);
        }
        first += n;
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

    /// Where the parameters that meet the image lie, in the order of the plan's cells.
    #[inline(always)]
    pub fn indices(self, plan: &Plan, flipped: bool) -> impl Iterator<Item = usize> {
        let (rows, columns) = (plan.rows.cells.clone(), plan.columns.cells.clone());
        rows.flat_map(move |row| {
            columns.clone().map(move |column| {
                let index = row * self.columns + column;
                if flipped { self.len() - 1 - index } else { index }
            })
        })
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
