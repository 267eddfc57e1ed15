//! One parallel pass over a batch: tasks, their memory, and what each does.

use std::cell::Cell;
use std::ops::Range;

use rayon::prelude::*;

use super::Bias;
use super::correlate::Correlate;
use super::pack::{Block, Channels, SharedImages, ThetaLayout, blocks, load_theta};
use super::plan::Plan;
use super::scatter::Scatter;
use super::sweep::{Consumers, Rows, sweep};
use super::tile::split;
use crate::shape::ImageShape;
use crate::simd::{Kernel, Level, MAX_LANES, Simd, dispatch};

/// A pass builds the box sums of `source` and gives them to either or both of two consumers.
pub(super) struct Pass<'a> {
    pub plan: &'a Plan,
    pub shape: ImageShape,
    pub layout: ThetaLayout,
    /// N, H, W, C.
    pub source: &'a [f32],
    /// Convolves the source.
    pub convolve: Option<Convolve<'a>>,
    /// Correlates the source's boxes with these images (N, H, W, C): one sum for each parameter.
    pub correlate: Option<&'a [f32]>,
}

/// What a convolution reads and writes besides its source.
pub(super) struct Convolve<'a> {
    /// C, k', l'.
    pub theta: &'a [f32],
    /// Turn the kernel by 180 degrees.
    pub flipped: bool,
    pub bias: Bias<'a>,
    /// N, H, W, C.
    pub output: SharedImages<'a>,
}

/// Some images of one channel block, and the correlation summed over them: `[cells that meet][lanes]`, or
/// nothing where none was asked for.
pub(super) struct Done {
    pub block: Block,
    pub lanes: usize,
    pub correlation: Vec<f32>,
}

/// Tasks to cut a batch into at least, where it has that many images and blocks: enough for the threads of
/// any desktop to share them evenly, few enough that a task's partial sums cost little.
const TASKS: usize = 64;

impl Pass<'_> {
    /// Runs all tasks on rayon's current pool. The tasks depend on the shape and the level alone; they come
    /// back in the order of images for each block.
    pub fn run(&self, level: Level) -> Vec<Done> {
        let blocks = blocks(level, self.shape.c);
        let chunks = TASKS.div_ceil(blocks.len()).min(self.shape.n);
        let chunk = self.shape.n.div_ceil(chunks);
        let tasks: Vec<(Range<usize>, Block)> = split(0..self.shape.n, chunk)
            .flat_map(|images| blocks.iter().map(move |&block| (images.clone(), block)))
            .collect();
        tasks
            .into_par_iter()
            .with_max_len(1)
            .map(|(images, block)| {
                with_memory(|memory| dispatch(block.level, Task { pass: self, images, block, memory }))
            })
            .collect()
    }

    fn channels<'b>(&self, batch: &'b [f32], image: usize, block: Block) -> Channels<'b> {
        let len = self.shape.len() / self.shape.n;
        Channels { image: &batch[image * len..][..len], stride: self.shape.c, block }
    }
}

struct Task<'a> {
    pass: &'a Pass<'a>,
    images: Range<usize>,
    block: Block,
    memory: &'a mut Vec<f32>,
}

impl Kernel for Task<'_> {
    type Output = Done;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Done {
        let Self { pass, images, block, memory } = self;
        let plan = pass.plan;
        let convolve = pass.convolve.as_ref();
        let lens = [
            plan.rings_len(),
            plan.sums_len(),
            if convolve.is_some() { plan.cells() } else { 0 },
            if convolve.is_some() { plan.output_len() } else { 0 },
            if pass.correlate.is_some() { plan.image_len() } else { 0 },
            if pass.correlate.is_some() { plan.cells() } else { 0 },
        ];
        let [rings, sums, theta, output, other, gradient] = vectors::<S, _>(memory, lens);

        let mut rows = Rows { rings, sums };
        rows.clear(simd, plan);
        if let Some(convolve) = convolve {
            load_theta(simd, plan, convolve.theta, pass.layout, convolve.flipped, block, theta);
        }
        gradient.fill(simd.zero());
        for image in images {
            let source = pass.channels(pass.source, image, block);
            output.fill(simd.zero());
            if let Some(batch) = pass.correlate {
                let channels = pass.channels(batch, image, block);
                for (y, row) in other.chunks_exact_mut(plan.columns.extent).enumerate() {
                    channels.load_row(simd, y, row);
                }
            }
            let mut consumers = Consumers {
                scatter: convolve.map(|_| Scatter { theta, output: &mut *output }),
                correlate: pass.correlate.map(|_| Correlate { image: other, gradient: &mut *gradient }),
            };
            sweep(simd, plan, &source, &mut rows, &mut consumers);
            if let Some(convolve) = convolve {
                // SAFETY: this task alone has this image and block, and `store` writes no others.
                unsafe { store(simd, pass, convolve, image, block, output) };
            }
        }

        let mut correlation = vec![0.0; gradient.len() * S::LANES];
        for (lanes, &sum) in correlation.chunks_exact_mut(S::LANES).zip(&*gradient) {
            simd.store(sum, lanes);
        }
        Done { block, lanes: S::LANES, correlation }
    }
}

/// Writes a finished plane, and the bias, to one image and channel block of the output.
///
/// # Safety
/// No other thread may access these channels of this image.
#[inline(always)]
unsafe fn store<S: Simd>(
    simd: S,
    pass: &Pass<'_>,
    convolve: &Convolve<'_>,
    image: usize,
    block: Block,
    plane: &[S::V],
) {
    let ImageShape { h, w, c, .. } = pass.shape;
    let per_channel = match convolve.bias {
        Bias::Channel(bias) => simd.load_partial(&bias[block.first..][..block.channels]),
        Bias::None | Bias::Map(_) => simd.zero(),
    };
    for (y, row) in plane.chunks_exact(pass.plan.output_pitch).enumerate() {
        for (x, &sum) in row[..w].iter().enumerate() {
            let at = (y * w + x) * c + block.first;
            let bias = match convolve.bias {
                Bias::Map(map) => simd.load_partial(&map[at..][..block.channels]),
                Bias::None | Bias::Channel(_) => per_channel,
            };
            let at = image * h * w * c + at;
            // SAFETY: these are channels of the block in the image, which are this thread's alone.
            let to = unsafe { convolve.output.range_mut(at..at + block.channels) };
            simd.store_partial(simd.add(sum, bias), to);
        }
    }
}

thread_local! {
    /// Working memory of one thread, kept from task to task: a megabyte or two for the largest maps.
    static MEMORY: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Lends this thread's working memory, whose contents are arbitrary.
fn with_memory<R>(work: impl FnOnce(&mut Vec<f32>) -> R) -> R {
    let mut memory = MEMORY.take();
    let result = work(&mut memory);
    MEMORY.set(memory);
    result
}

/// Cuts working memory into buffers of vectors, growing it where it is too short.
#[inline(always)]
fn vectors<S: Simd, const N: usize>(memory: &mut Vec<f32>, lens: [usize; N]) -> [&mut [S::V]; N] {
    // Each buffer begins at another offset within a page, so that equal rows of two do not share cache sets.
    let skew = |buffer: usize| 1 + 2 * buffer;
    let total: usize = lens.iter().enumerate().map(|(buffer, len)| len + skew(buffer)).sum();
    let needed = total * S::LANES + MAX_LANES;
    if memory.len() < needed {
        memory.resize(needed, 0.0);
    }
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
