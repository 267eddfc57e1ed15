//! What the benchmarks of all operators share: settings, numbers, a pool of one thread. The benchmarks are in
//! `benches`, one file per operator.
#![forbid(unsafe_code)]

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use pelk_cpu::Rows;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::fmt::Display;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Short runs: all operators in a few minutes.
pub fn settings() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
}

/// Operators are measured on one core, where their kernels can be compared.
static POOL: LazyLock<ThreadPool> =
    LazyLock::new(|| ThreadPoolBuilder::new().num_threads(1).build().expect("one thread can be started"));

/// Measures `run`, which computes `values` values, on one thread.
pub fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: impl Display,
    values: usize,
    mut run: impl FnMut() + Send,
) {
    group.throughput(Throughput::Elements(values as u64));
    group.bench_function(name.to_string(), |bencher| {
        bencher.iter_custom(|iterations| {
            // Inside the pool, so that the time of waking its thread is not counted with each run.
            POOL.install(|| {
                let start = Instant::now();
                for _ in 0..iterations {
                    run();
                }
                start.elapsed()
            })
        });
    });
}

/// `n` repeatable numbers in -1..1: the fractions of multiples of the golden ratio.
pub fn values(n: usize) -> Vec<f32> {
    (0..n as u32).map(|i| (i.wrapping_mul(0x9E37_79B9) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// The matrix in `values` with rows of `columns`.
///
/// # Panics
/// If `columns` does not divide the number of values.
pub fn matrix(values: &[f32], columns: usize) -> Rows<'_> {
    Rows::new(values, columns).expect("whole rows")
}

/// Pixels and channels of PeLK-T's stages on a 224 x 224 image.
pub const STAGES: [(usize, usize); 4] = [(3136, 124), (784, 249), (196, 499), (49, 998)];
