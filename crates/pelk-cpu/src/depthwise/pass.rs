//! One parallel pass over a batch: tasks, their memory, and what each does.

use std::ops::Range;

use rayon::prelude::*;

use super::Bias;
use super::correlate::Correlate;
use super::pack::{Block, Channels, ThetaLayout, blocks, load_theta};
use super::plan::{Plan, Plane, planes_len};
use super::scatter::Scatter;
use super::sweep::{Consumer, RunRow, Use, sweep};
use super::tile::split;
use crate::scratch;
use crate::shape::ImageShape;
use crate::shared::Shared;
use crate::simd::{Kernel, Level, Simd, dispatch};

/// A pass builds the box sums of `source` and gives them to either or both of two consumers.
pub(super) struct Pass<'a> {
    /// One for each band of columns.
    pub plans: &'a [Plan],
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
    pub output: Shared<'a>,
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
        let chunks = TASKS.div_ceil(blocks.len() * self.plans.len()).min(self.shape.n);
        let chunk = self.shape.n.div_ceil(chunks);
        let blocks_and_bands =
            blocks.iter().flat_map(|&block| self.plans.iter().map(move |plan| (block, plan)));
        let tasks: Vec<(Range<usize>, (Block, &Plan))> = split(0..self.shape.n, chunk)
            .flat_map(|images| blocks_and_bands.clone().map(move |task| (images.clone(), task)))
            .collect();
        tasks
            .into_par_iter()
            .with_max_len(1)
            .map(|(images, (block, plan))| {
                let lens = self.lens(plan);
                scratch::with(room(lens, block.level.lanes()), |memory| {
                    dispatch(block.level, Task { pass: self, images, block, plan, lens, memory })
                })
            })
            .collect()
    }

    /// Vectors of the buffers of a task: runs, planes, parameters, sums of the correlation.
    fn lens(&self, plan: &Plan) -> [usize; 4] {
        let (theta, products) =
            self.convolve.as_ref().map_or((0, 0), |_| (plan.theta_len(), planes_len(&plan.products)));
        let (gradient, others) = self.correlate.map_or((0, 0), |_| (plan.cells(), planes_len(&plan.others)));
        [plan.sums_len(), products.max(others), theta, gradient]
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
    plan: &'a Plan,
    /// [`Pass::lens`].
    lens: [usize; 4],
    memory: &'a mut [f32],
}

impl Kernel for Task<'_> {
    type Output = Done;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Done {
        let Self { pass, images, block, plan, lens, memory } = self;
        let convolve = pass.convolve.as_ref();
        let [sums, planes, theta, gradient] = vectors::<S, _>(memory, lens);

        sums.fill(simd.zero());
        if let Some(convolve) = convolve {
            load_theta(simd, plan, convolve.theta, pass.layout, convolve.flipped, block, theta);
        }
        gradient.fill(simd.zero());
        for image in images {
            let source = pass.channels(pass.source, image, block);
            // Both at once would build the runs once, at 4 % of the time, but need twice the planes in the cache.
            if let Some(convolve) = convolve {
                let scatter = Scatter { theta, planes: &mut *planes };
                let unfinished = plan.met();
                let mut output = Output { pass, convolve, image, block, scatter, unfinished };
                sweep(simd, plan, &source, sums, &mut output);
            }
            if let Some(images) = pass.correlate {
                let image = pass.channels(images, image, block);
                let (planes, gradient) = (&mut *planes, &mut *gradient);
                let mut correlate = Correlate { image, planes, gradient };
                sweep(simd, plan, &source, sums, &mut correlate);
            }
        }

        let mut correlation = vec![0.0; gradient.len() * S::LANES];
        for (lanes, &sum) in correlation.chunks_exact_mut(S::LANES).zip(&*gradient) {
            simd.store(sum, lanes);
        }
        Done { block, lanes: S::LANES, correlation }
    }
}

/// The convolution of one image and channel block.
struct Output<'a, S: Simd> {
    pass: &'a Pass<'a>,
    convolve: &'a Convolve<'a>,
    image: usize,
    block: Block,
    scatter: Scatter<'a, S>,
    /// The rows of the planes from this one on are finished.
    unfinished: usize,
}

impl<S: Simd> Consumer<S> for Output<'_, S> {
    #[inline(always)]
    fn planes(plan: &Plan) -> &[Plane] {
        &plan.products
    }

    #[inline(always)]
    fn row(&mut self, simd: S, plan: &Plan, s: usize, runs: &RunRow<'_, S::V>, uses: &[Use]) {
        self.scatter.consume(simd, plan, s, runs, uses);
        // Rows of the planes that no input row is left for. The next ones still change.
        let first = if s == 0 { 0 } else { plan.finished_after(s) };
        for y in (first..self.unfinished).rev() {
            self.scatter.finish(simd, plan, y);
            if y < plan.rows.extent {
                self.store(simd, plan, y);
            }
        }
        self.unfinished = first;
    }
}

impl<S: Simd> Output<'_, S> {
    /// Writes a row of outputs, and the bias, to the caller's memory.
    #[inline(always)]
    fn store(&self, simd: S, plan: &Plan, y: usize) {
        let ImageShape { h, w, c, .. } = self.pass.shape;
        let Block { first, channels, .. } = self.block;
        let per_channel = match self.convolve.bias {
            Bias::Channel(bias) => simd.load_partial(&bias[first..][..channels]),
            Bias::None | Bias::Map(_) => simd.zero(),
        };
        let row = &self.scatter.planes[plan.products[0].row(y)..][..plan.outputs.len()];
        for (x, &sum) in plan.outputs.clone().zip(row) {
            let at = (y * w + x) * c + first;
            let bias = match self.convolve.bias {
                Bias::Map(map) => simd.load_partial(&map[at..][..channels]),
                Bias::None | Bias::Channel(_) => per_channel,
            };
            let at = self.image * h * w * c + at;
            // SAFETY: this task alone has this image, block and band of columns, and nobody reads outputs.
            let to = unsafe { self.convolve.output.range_mut(at..at + channels) };
            simd.store_partial(simd.add(sum, bias), to);
        }
    }
}

/// Vectors that a buffer leaves free behind it. Each begins at another offset within a page, so that equal rows of two do not
/// share cache sets.
const fn skew(buffer: usize) -> usize {
    1 + 2 * buffer
}

/// Values of the memory that [`vectors`] cuts into buffers of vectors of `lanes`.
fn room<const N: usize>(lens: [usize; N], lanes: usize) -> usize {
    lens.iter().enumerate().map(|(buffer, len)| (len + skew(buffer)) * lanes).sum()
}

/// Cuts memory, aligned to vectors, into buffers of vectors.
#[inline(always)]
fn vectors<S: Simd, const N: usize>(memory: &mut [f32], lens: [usize; N]) -> [&mut [S::V]; N] {
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
