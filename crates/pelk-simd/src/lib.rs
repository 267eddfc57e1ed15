//! Vectors of `f32` behind one trait, with the instruction set chosen at run time.
//!
//! A kernel is a struct of its parameters with one generic body, [`Kernel::run`], that works for every
//! instruction set. [`dispatch`] compiles that body once per level, inside a function with the matching
//! `#[target_feature]`. Everything below it must be `#[inline(always)]`: a function that is not inlined is
//! compiled without the vector instructions, and the speed is gone.
//!
//! | [`Level`] | Lanes | Instructions |
//! | --- | --- | --- |
//! | `portable` | 8 | plain Rust, on every processor |
//! | `avx2` | 8 | AVX2 and FMA |
//! | `avx512` | 16 | AVX-512F, AVX2 and FMA |
//! | `neon` | 8, in two registers | NEON, on every 64-bit ARM processor |
//!
//! Holding a [`Level`] proves that the processor has its instructions: the only ways to get one check it.
//! Holding a [`Simd`] token proves the same to the vector operations. So calling a kernel needs no `unsafe`.
//!
//! # 1. Let the compiler vectorize
//!
//! A plain loop that ignores its token is compiled for each level. That is enough where every element is
//! computed on its own, integers included, and results have the same bits on every level.
//!
//! ```
//! use pelk_simd::{Kernel, Level, Simd, dispatch};
//!
//! struct Invert<'a>(&'a mut [u8]);
//! impl Kernel for Invert<'_> {
//!     type Output = ();
//!     #[inline(always)]
//!     fn run<S: Simd>(self, _: S) {
//!         for value in self.0 {
//!             *value = 255 - *value;
//!         }
//!     }
//! }
//!
//! let mut pixels = [0, 100, 255];
//! dispatch(Level::from_env()?, Invert(&mut pixels)); // the best level, or what PELK_SIMD names
//! assert_eq!(pixels, [255, 155, 0]);
//! # Ok::<(), pelk_simd::LevelError>(())
//! ```
//!
//! # 2. Vectors of any width
//!
//! The compiler may not reorder a sum of floats, so a sum needs vectors. The body asks its token for the
//! number of [`LANES`](Simd::LANES); a partial load fills the last vector with zeros.
//!
//! ```
//! use pelk_simd::{Kernel, Level, Simd, dispatch};
//!
//! struct Sum<'a>(&'a [f32]);
//! impl Kernel for Sum<'_> {
//!     type Output = f32;
//!     #[inline(always)]
//!     fn run<S: Simd>(self, simd: S) -> f32 {
//!         let mut sum = simd.zero();
//!         for chunk in self.0.chunks(S::LANES) {
//!             sum = simd.add(sum, simd.load_partial(chunk));
//!         }
//!         simd.reduce_sum(sum)
//!     }
//! }
//!
//! let numbers: Vec<f32> = (1..=100).map(|i| i as f32).collect();
//! for level in Level::available() {
//!     assert_eq!(dispatch(level, Sum(&numbers)), 5050.0);
//! }
//! ```
//!
//! # 3. Several accumulators, parts in separate functions
//!
//! A multiply-add takes four or five cycles, and two can start in each, so one sum would leave the processor
//! waiting. Parts of a kernel are functions that are generic over the token and `#[inline(always)]`; this one
//! calls the vectorized [`exp`](Simd::exp).
//!
//! ```
//! use pelk_simd::{Kernel, Level, Simd, dispatch};
//!
//! /// `e^(-x^2 / 2)` in each lane.
//! #[inline(always)]
//! fn bell<S: Simd>(simd: S, x: S::V) -> S::V {
//!     simd.exp(simd.mul(simd.splat(-0.5), simd.mul(x, x)))
//! }
//!
//! /// The sum of `a[i] * bell(b[i])`.
//! struct Weighted<'a> {
//!     a: &'a [f32],
//!     b: &'a [f32],
//! }
//! impl Kernel for Weighted<'_> {
//!     type Output = f32;
//!     #[inline(always)]
//!     fn run<S: Simd>(self, simd: S) -> f32 {
//!         let mut sums = [simd.zero(); 4];
//!         let (a, b) = (self.a.chunks(4 * S::LANES), self.b.chunks(4 * S::LANES));
//!         for (a, b) in a.zip(b) {
//!             for (i, (a, b)) in a.chunks(S::LANES).zip(b.chunks(S::LANES)).enumerate() {
//!                 let b = bell(simd, simd.load_partial(b));
//!                 sums[i] = simd.mul_add(simd.load_partial(a), b, sums[i]);
//!             }
//!         }
//!         let [s, t, u, v] = sums;
//!         simd.reduce_sum(simd.add(simd.add(s, t), simd.add(u, v)))
//!     }
//! }
//!
//! let (a, b) = ([2.0; 100], [1.0; 100]);
//! for level in Level::available() {
//!     let sum = dispatch(level, Weighted { a: &a, b: &b });
//!     assert!((sum - 200.0 * (-0.5_f32).exp()).abs() < 1e-3, "{level}: {sum}");
//! }
//! ```
//!
//! # What bits a level gives
//!
//! On one level, results always have the same bits. This holds across architectures: `portable` has no fused
//! multiply-add even where the processor has one. Levels differ in the last bits of sums, since the number of
//! lanes sets the order of the summands, and `portable` rounds a multiply-add twice. `avx2` and `neon` have
//! the same lanes and round alike, so they give the same bits.
#![deny(unsafe_op_in_unsafe_fn)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod level;
mod math;
#[cfg(target_arch = "aarch64")]
mod neon;
mod peak;
mod portable;
mod transpose;
mod vector;

use level::Isa;

pub use level::{LEVEL_VARIABLE, Level, LevelError};
pub use peak::multiply_adds_in_registers;
pub use vector::{MAX_LANES, Simd};

/// A computation written once for every instruction set.
pub trait Kernel {
    /// What the computation returns.
    type Output;
    /// The computation. Mark every implementation `#[inline(always)]`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Runs `kernel` with the instructions of `level`.
#[inline]
pub fn dispatch<K: Kernel>(level: Level, kernel: K) -> K::Output {
    match level.0 {
        Isa::Portable => kernel.run(portable::Portable),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a Level holding Avx2 is made only after AVX2 and FMA were detected.
        Isa::Avx2 => unsafe { avx2::run(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a Level holding Avx512 is made only after AVX-512F, AVX2 and FMA were detected.
        Isa::Avx512 => unsafe { avx512::run(kernel) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: a Level holding Neon is made only after NEON was detected.
        Isa::Neon => unsafe { neon::run(kernel) },
    }
}

/// Runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
