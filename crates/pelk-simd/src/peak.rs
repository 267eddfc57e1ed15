//! The peak rate of multiply-adds: a lower bound on the time of every operator.

use crate::{Kernel, Level, Simd, dispatch};
use std::hint::black_box;

/// Independent sums, so that no instruction waits for the one before: two units of four or five cycles need
/// ten. With the two factors they fit sixteen vector registers.
const SUMS: usize = 12;

/// Runs multiply-adds in registers, without memory access, and returns their number, `12 * lanes * rounds`.
///
/// Timing it gives the peak rate of one core. On `portable`, whose multiply-add is two instructions, the rate
/// depends on the compiler.
///
/// ```
/// use pelk_simd::{Level, multiply_adds_in_registers};
/// let start = std::time::Instant::now();
/// let count = multiply_adds_in_registers(Level::best(), 10_000);
/// let per_second = count as f64 / start.elapsed().as_secs_f64();
/// assert!(count > 0 && per_second > 0.0);
/// ```
pub fn multiply_adds_in_registers(level: Level, rounds: usize) -> u64 {
    // Hidden from the compiler, and with a fixed point: sums converge to 2 and neither grow nor vanish.
    let (factor, term) = black_box((0.5, 1.0));
    black_box(dispatch(level, Chains { factor, term, rounds }));
    (SUMS * level.lanes() * rounds) as u64
}

struct Chains {
    factor: f32,
    term: f32,
    rounds: usize,
}

impl Kernel for Chains {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        let (factor, term) = (simd.splat(self.factor), simd.splat(self.term));
        let mut sums = [simd.zero(); SUMS];
        for i in 0..SUMS {
            sums[i] = simd.splat(i as f32);
        }
        for _ in 0..self.rounds {
            for i in 0..SUMS {
                sums[i] = simd.mul_add(sums[i], factor, term);
            }
        }
        let mut total = simd.zero();
        for i in 0..SUMS {
            total = simd.add(total, sums[i]);
        }
        simd.reduce_sum(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sum_of_every_lane_takes_part() {
        for level in Level::available() {
            // Far from the start, each sum is at its fixed point of 2.
            let total = dispatch(level, Chains { factor: 0.5, term: 1.0, rounds: 64 });
            assert_eq!(total, (2 * SUMS * level.lanes()) as f32, "{level}");
            assert_eq!(multiply_adds_in_registers(level, 3), (3 * SUMS * level.lanes()) as u64);
        }
    }
}
