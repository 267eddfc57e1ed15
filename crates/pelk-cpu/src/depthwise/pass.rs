//! One parallel pass over a batch: what is computed, the tasks it is cut into, and what all algorithms share.

use std::ops::Range;

use rayon::prelude::*;

use super::pack::{Block, Channels, ThetaLayout, blocks};
use crate::scratch;
use crate::shape::ImageShape;
use crate::shared::Shared;
use pelk_ops::Bias;
use pelk_simd::{Kernel, Level, Simd, dispatch};

/// A pass takes the box sums of `source` and gives them to either or both of two consumers.
pub(super) struct Pass<'a> {
    pub shape: ImageShape,
    pub layout: ThetaLayout,
    /// N, H, W, C.
    pub source: &'a [f32],
    /// Convolves the source.
    pub convolve: Option<Convolve<'a>>,
    /// Correlates the source's boxes with these images (N, H, W, C): one sum for each parameter.
    pub correlate: Option<&'a [f32]>,
}

/// What a convolution reads and writes in addition to its source.
pub(super) struct Convolve<'a> {
    /// C, k', l'.
    pub theta: &'a [f32],
    /// Turn the kernel by 180 degrees.
    pub flipped: bool,
    pub bias: Bias<&'a [f32]>,
    /// N, H, W, C.
    pub output: Shared<'a>,
}

/// An algorithm for a pass.
pub(super) trait Algorithm: Sync {
    /// Values of working memory that a task needs, with vectors of `lanes`.
    fn room(&self, pass: &Pass<'_>, lanes: usize) -> usize;

    /// Computes a task. If the pass has a correlation, adds it to `gradient`, one vector for each parameter
    /// in the order of a channel's kernel. Mark every implementation `#[inline(always)]`.
    fn run<S: Simd>(&self, simd: S, task: &Task<'_>, memory: &mut [f32], gradient: &mut [S::V]);
}

/// Some images of one channel block.
pub(super) struct Task<'a> {
    pub pass: &'a Pass<'a>,
    pub images: Range<usize>,
    pub block: Block,
}

/// The correlation of one task: the parameters of each of its channels, empty if the pass has none.
pub(super) struct Done {
    pub block: Block,
    pub correlation: Vec<f32>,
}

/// Fewest tasks of a batch, if it has that many images and blocks: enough to keep the threads of any desktop
/// evenly busy, few enough that a task's partial sums cost little.
const TASKS: usize = 64;

impl Pass<'_> {
    /// Runs all tasks on rayon's current pool. The tasks depend on the shape and the level alone; they are
    /// returned in the order of images for each block.
    pub fn run(&self, level: Level, algorithm: &impl Algorithm) -> Vec<Done> {
        let blocks = blocks(level, self.shape.c);
        let chunks = TASKS.div_ceil(blocks.len()).min(self.shape.n);
        let chunk = self.shape.n.div_ceil(chunks);
        let tasks: Vec<Task<'_>> = (0..self.shape.n)
            .step_by(chunk)
            .flat_map(|first| blocks.iter().map(move |&block| (first, block)))
            .map(|(first, block)| Task {
                pass: self,
                images: first..(first + chunk).min(self.shape.n),
                block,
            })
            .collect();
        tasks
            .into_par_iter()
            .with_max_len(1)
            .map(|task| {
                let lanes = task.block.level.lanes();
                let gradient = self.correlate.map_or(0, |_| self.layout.len());
                scratch::with(room([gradient], lanes) + algorithm.room(self, lanes), |memory| {
                    let block = task.block;
                    let correlation = dispatch(block.level, Run { algorithm, task, gradient, memory });
                    Done { block, correlation }
                })
            })
            .collect()
    }

    /// A channel block of one image of a batch.
    pub fn channels<'b>(&self, batch: &'b [f32], image: usize, block: Block) -> Channels<'b> {
        let len = self.shape.len() / self.shape.n;
        Channels { image: &batch[image * len..][..len], stride: self.shape.c, block }
    }
}

struct Run<'a, A> {
    algorithm: &'a A,
    task: Task<'a>,
    gradient: usize,
    memory: &'a mut [f32],
}

impl<A: Algorithm> Kernel for Run<'_, A> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self { algorithm, task, gradient, memory } = self;
        let (own, rest) = memory.split_at_mut(room([gradient], S::LANES));
        let [gradient] = vectors::<S, _>(own, [gradient]);
        gradient.fill(simd.zero());
        algorithm.run(simd, &task, rest, gradient);
        task.block.unpack(simd, gradient)
    }
}

impl Task<'_> {
    /// Writes outputs plus bias to the caller's memory: to the pixel with this number in an image, and the
    /// following ones at the given step.
    #[inline(always)]
    pub fn store<S: Simd>(
        &self,
        simd: S,
        convolve: &Convolve<'_>,
        image: usize,
        number: usize,
        step: usize,
        row: &[S::V],
    ) {
        let ImageShape { h, w, c, .. } = self.pass.shape;
        let Block { first, channels, .. } = self.block;
        let (begin, step) = (number * c + first, step * c);
        let end = begin + (row.len() - 1) * step + channels;
        let image = image * h * w * c;
        let to = convolve.output.at(image + begin..image + end);
        let put = |x: usize, v: S::V| {
            // SAFETY: x is a place in the row, whose channels lie in the range above. This task alone has
            // this image and block, and no task reads outputs.
            unsafe {
                let to = to.add(x * step);
                match channels == S::LANES {
                    true => simd.store_ptr(v, to),
                    false => simd.store_partial(v, std::slice::from_raw_parts_mut(to, channels)),
                }
            }
        };
        match convolve.bias {
            Bias::Map(map) => {
                for (x, &sum) in row.iter().enumerate() {
                    let bias = simd.load_partial(&map[begin + x * step..][..channels]);
                    put(x, simd.add(sum, bias));
                }
            }
            Bias::None | Bias::Channel(_) => {
                let bias = match convolve.bias {
                    Bias::Channel(bias) => simd.load_partial(&bias[first..][..channels]),
                    _ => simd.zero(),
                };
                for (x, &sum) in row.iter().enumerate() {
                    put(x, simd.add(sum, bias));
                }
            }
        }
    }
}

/// Vectors of padding behind a buffer. So buffers begin at different offsets within a page, and equal rows of
/// two do not share cache sets.
const fn skew(buffer: usize) -> usize {
    1 + 2 * buffer
}

/// Values of the memory that [`vectors`] cuts into buffers of vectors of `lanes`.
pub(super) fn room<const N: usize>(lens: [usize; N], lanes: usize) -> usize {
    lens.iter().enumerate().map(|(buffer, len)| (len + skew(buffer)) * lanes).sum()
}

/// Cuts memory, aligned to vectors, into buffers of vectors.
#[inline(always)]
pub(super) fn vectors<S: Simd, const N: usize>(memory: &mut [f32], lens: [usize; N]) -> [&mut [S::V]; N] {
    // SAFETY: on every level V is a plain vector of LANES f32, for which any bits are valid.
    let (_, mut rest, _) = unsafe { memory.align_to_mut::<S::V>() };
    let mut buffer = 0;
    lens.map(|len| {
        let (head, tail) = std::mem::take(&mut rest).split_at_mut(len + skew(buffer));
        rest = tail;
        buffer += 1;
        &mut head[..len]
    })
}
