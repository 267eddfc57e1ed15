//! Checks the choice among the variants of the box convolution, on the shapes that it was tuned on.

use super::operators::values;
use crate::output::say;
use crate::timing::{Timing, once};
use anyhow::{Context, Result, bail};
use pelk_cpu::depthwise::{self, DISPATCH_SHAPES, DispatchShape, Variant};
use pelk_ops::{Bias, DepthwiseConv, ImageShape};
use pelk_report::table::{Table, number, text};
use pelk_simd::Level;
use serde::Serialize;
use std::time::{Duration, Instant};

/// Accepted extra time of the chosen variant over the best one, as a share: on a busy machine, two variants
/// of equal speed were up to 5 % apart.
const TOLERANCE: f64 = 0.1;
/// Minimum number of rounds, in which each variant runs once; short ones are repeated to fill [`FILL`].
const ROUNDS: usize = 5;
/// Minimum time for the first rounds of one shape and direction.
const FILL: Duration = Duration::from_millis(100);
/// Maximum number of repeats for a shape, each twice as long: disturbances pass, a bad choice stays. On two
/// cores busy with eight compilers, four repeats of equal length still rejected good choices.
const REPEATS: u32 = 5;

/// Forward or backward pass of a convolution.
#[derive(Debug, Clone, Copy)]
enum Direction {
    Forward,
    Backward,
}

/// The chosen and the fastest variant for a shape and direction.
struct Checked {
    shape: DispatchShape,
    direction: Direction,
    pick: Candidate,
    best: Candidate,
    /// Speed of the best variant relative to the chosen one.
    ratio: f64,
}

struct Candidate {
    variant: Variant,
    timing: Timing,
}

impl Checked {
    fn ok(&self) -> bool {
        self.ratio <= 1.0 + TOLERANCE
    }
}

/// The speed of `other` relative to `pick`, the lower of the ratios of medians and of shortest times: a
/// disturbance that favors one rarely favors both.
fn ratio(pick: &Timing, other: &Timing) -> f64 {
    (pick.median_ms / other.median_ms).min(pick.min_ms / other.min_ms)
}

/// Times all variants of all shapes with one thread.
///
/// # Errors
/// When the chosen variant is not the fastest for some shapes, which are listed.
pub fn check(level: Level, json: bool) -> Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().context("cannot start a thread")?;
    let mut table = Table::new([
        text("shape"),
        text("direction"),
        text("chosen"),
        number("ms"),
        text("fastest"),
        number("ms"),
        number("ratio"),
    ]);
    let mut slow = Vec::new();
    let mut checked_shapes = 0;
    for shape in DISPATCH_SHAPES {
        for direction in [Direction::Forward, Direction::Backward] {
            let Some(checked) = pool.install(|| compare(level, *shape, direction))? else { continue };
            checked_shapes += 1;
            let (pick, best) = (checked.pick.variant.to_string(), checked.best.variant.to_string());
            let ratio = checked.ratio;
            if json {
                say!("{}", json_line(&checked)?);
            } else {
                let ms = |candidate: &Candidate| format!("{:.4}", candidate.timing.median_ms);
                let (pick_ms, best_ms) = (ms(&checked.pick), ms(&checked.best));
                table.row([
                    shape.to_string(),
                    name(direction).to_owned(),
                    pick.clone(),
                    pick_ms,
                    best.clone(),
                    best_ms,
                    format!("{ratio:.2}"),
                ]);
            }
            if !checked.ok() {
                slow.push(format!(
                    "{shape}, {}: {pick} was chosen, but {best} is {ratio:.2} times as fast",
                    name(direction)
                ));
            }
        }
    }
    if !json {
        say!("{}", table.to_string().trim_end());
    }
    if !slow.is_empty() {
        bail!(
            "on {level}, the chosen variant is not the fastest for {} of {checked_shapes} shapes:\n{}",
            slow.len(),
            slow.join("\n")
        );
    }
    if !json {
        say!(
            "\nOn {level}, the choice is the fastest (within {:.0} %) for all {checked_shapes} shapes.",
            100.0 * TOLERANCE
        );
    }
    Ok(())
}

fn name(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "forward",
        Direction::Backward => "backward",
    }
}

/// A line of JSON for scripts.
fn json_line(checked: &Checked) -> Result<String> {
    #[derive(Serialize)]
    struct Line {
        bench: &'static str,
        pass: &'static str,
        n: usize,
        c: usize,
        h: usize,
        w: usize,
        kernel_h: usize,
        kernel_w: usize,
        shape: String,
        pick: String,
        best: String,
        ratio: f64,
        ok: bool,
        pick_ms: f64,
        best_ms: f64,
    }
    let shape = checked.shape;
    Ok(serde_json::to_string(&Line {
        bench: "dispatch",
        pass: name(checked.direction),
        n: shape.images,
        c: shape.channels,
        h: shape.map,
        w: shape.map,
        kernel_h: shape.rows.kernel,
        kernel_w: shape.columns.kernel,
        shape: shape.to_string(),
        pick: checked.pick.variant.to_string(),
        best: checked.best.variant.to_string(),
        ratio: (1e3 * checked.ratio).round() / 1e3,
        ok: checked.ok(),
        pick_ms: checked.pick.timing.median_ms,
        best_ms: checked.best.timing.median_ms,
    })?)
}

/// Compares the chosen with the fastest variant; `None` if there is only one.
fn compare(level: Level, shape: DispatchShape, direction: Direction) -> Result<Option<Checked>> {
    let (conv, image) = (shape.conv(), shape.shape());
    let variants = depthwise::variants(level, image);
    if variants.len() < 2 {
        return Ok(None);
    }
    let chosen = depthwise::choose(level, &conv, image);
    let pick = variants.iter().position(|variant| *variant == chosen);
    let pick = pick.with_context(|| format!("{shape}: the choice, {chosen}, is not among the variants"))?;
    let mut buffers = Buffers::new(&conv, image);
    let timings =
        interleaved(FILL, variants.len(), pick, |i| buffers.run(&conv, variants[i], image, direction))?;
    let best = fastest(&timings, pick);
    let candidate = |i: usize| Candidate { variant: variants[i], timing: timings[i] };
    let ratio = ratio(&timings[pick], &timings[best]);
    Ok(Some(Checked { shape, direction, pick: candidate(pick), best: candidate(best), ratio }))
}

/// The variant that `pick` lags behind the most, or `pick` itself if it is the fastest.
fn fastest(timings: &[Timing], pick: usize) -> usize {
    let lag = |i: usize| if i == pick { 1.0 } else { ratio(&timings[pick], &timings[i]) };
    (0..timings.len()).max_by(|&a, &b| lag(a).total_cmp(&lag(b))).unwrap_or(pick)
}

/// Times `count` alternating runs for at least `fill`, and again if `pick` lags.
fn interleaved(
    fill: Duration,
    count: usize,
    pick: usize,
    mut run: impl FnMut(usize) -> Result<()>,
) -> Result<Vec<Timing>> {
    let mut times = vec![Vec::new(); count];
    let mut repeat = 0;
    loop {
        let (start, mut rounds) = (Instant::now(), 0);
        while rounds < ROUNDS || start.elapsed() < fill * 2_u32.pow(repeat) {
            for (i, times) in times.iter_mut().enumerate() {
                // Leave the caches as a run of the same variant leaves them.
                run(i)?;
                times.push(once(&mut || run(i))?);
            }
            rounds += 1;
        }
        let timings: Vec<Timing> = times.iter().map(|times| Timing::of(times.clone())).collect();
        let lag = ratio(&timings[pick], &timings[fastest(&timings, pick)]);
        if lag <= 1.0 + TOLERANCE || repeat == REPEATS {
            return Ok(timings);
        }
        repeat += 1;
    }
}

/// Inputs and outputs of a convolution.
struct Buffers {
    x: Vec<f32>,
    theta: Vec<f32>,
    y: Vec<f32>,
    gtheta: Vec<f32>,
}

impl Buffers {
    fn new(conv: &DepthwiseConv, shape: ImageShape) -> Buffers {
        let parameters = shape.c * conv.cells();
        Buffers {
            x: values(shape.len()),
            theta: values(parameters),
            y: vec![0.0; shape.len()],
            gtheta: vec![0.0; parameters],
        }
    }

    fn run(
        &mut self,
        conv: &DepthwiseConv,
        variant: Variant,
        shape: ImageShape,
        direction: Direction,
    ) -> Result<()> {
        let Buffers { x, theta, y, gtheta } = self;
        match direction {
            Direction::Forward => depthwise::forward_with(variant, conv, shape, x, theta, Bias::None, y)?,
            Direction::Backward => {
                let gradients = depthwise::Gradients { x: Some(y), theta: Some(gtheta) };
                depthwise::backward_with(variant, conv, shape, x, theta, x, gradients)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::sleep;

    #[test]
    fn a_disturbed_pick_is_measured_again_and_a_slow_one_stays_slow() {
        let mut calls = 0;
        let disturbed = interleaved(FILL / 10, 2, 0, |i| {
            calls += 1;
            // The first rounds of the pick are disturbed.
            sleep(Duration::from_millis(if i == 0 && calls < 20 { 6 } else { 2 }));
            Ok(())
        });
        let disturbed = disturbed.unwrap();
        assert!(ratio(&disturbed[0], &disturbed[1]) < 1.5, "{disturbed:?}");
        let slow = interleaved(FILL / 10, 2, 1, |i| {
            sleep(Duration::from_millis(2 + 4 * i as u64));
            Ok(())
        });
        let slow = slow.unwrap();
        assert!(fastest(&slow, 1) == 0 && ratio(&slow[1], &slow[0]) > 1.5, "{slow:?}");
    }

    #[test]
    fn every_shape_of_the_table_can_be_computed_with_its_choice() {
        for shape in DISPATCH_SHAPES.iter().filter(|shape| shape.map <= 14) {
            let (conv, image) = (shape.conv(), shape.shape());
            for level in Level::available() {
                let variant = depthwise::choose(level, &conv, image);
                assert!(
                    depthwise::variants(level, image).contains(&variant),
                    "{shape} on {level}: {variant}"
                );
                let mut buffers = Buffers::new(&conv, image);
                buffers.run(&conv, variant, image, Direction::Forward).unwrap();
                assert!(buffers.y.iter().all(|value| value.is_finite()));
            }
        }
    }
}
