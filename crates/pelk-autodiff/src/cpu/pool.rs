//! Reuse of buffers.
//!
//! A network needs buffers of the same sizes in every pass. Reusing freed buffers avoids the page faults of
//! fresh ones, which would take longer than many of the operators.

use pelk_cpu::linear::PackedWeight;
use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Smaller buffers, below 4 KiB, come from the allocator, which keeps its own free lists for such sizes.
const SMALLEST_POOLED: usize = 1 << 10;

#[derive(Debug, Default)]
struct State {
    idle: HashMap<usize, Vec<Vec<f32>>>,
    idle_values: usize,
    live_values: usize,
    peak_values: usize,
}

/// Freed buffers by length. Idle memory never exceeds the peak of memory in use.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool(Arc<Mutex<State>>);

/// A buffer that returns to its pool when dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    values: Vec<f32>,
    pool: Pool,
    /// The values in the order of products, where somebody asked for it. Gone when they change.
    packed: OnceLock<PackedWeight>,
}

impl Pool {
    /// A buffer of `len` arbitrary values: an operator must overwrite all of them.
    pub fn take(&self, len: usize) -> Buffer {
        let values = if len < SMALLEST_POOLED { None } else { self.reuse(len) };
        Buffer {
            values: values.unwrap_or_else(|| vec![0.0; len]),
            pool: self.clone(),
            packed: OnceLock::new(),
        }
    }

    /// A buffer with these values.
    pub fn take_copy(&self, values: &[f32]) -> Buffer {
        let mut buffer = self.take(values.len());
        buffer.copy_from_slice(values);
        buffer
    }

    fn reuse(&self, len: usize) -> Option<Vec<f32>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.live_values += len;
        state.peak_values = state.peak_values.max(state.live_values);
        let values = state.idle.get_mut(&len)?.pop()?;
        state.idle_values -= len;
        Some(values)
    }

    fn give_back(&self, values: Vec<f32>) {
        let len = values.len();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.live_values -= len;
        if state.idle_values + len <= state.peak_values {
            state.idle_values += len;
            state.idle.entry(len).or_default().push(values);
        }
    }
}

impl Buffer {
    /// Keeps what `pack` makes of the values, until they change.
    pub fn pack(&self, pack: impl FnOnce() -> PackedWeight) {
        self.packed.get_or_init(pack);
    }

    /// What was made of the values.
    pub fn packed(&self) -> Option<&PackedWeight> {
        self.packed.get()
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Buffer {
        self.pool.take_copy(&self.values)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.values.len() >= SMALLEST_POOLED {
            self.pool.give_back(std::mem::take(&mut self.values));
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.values
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        self.packed.take();
        &mut self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_buffer_is_handed_out_again() {
        let pool = Pool::default();
        let first = pool.take(SMALLEST_POOLED);
        let address = first.as_ptr();
        drop(first);
        assert_eq!(pool.take(SMALLEST_POOLED).as_ptr(), address);
    }

    #[test]
    fn packed_values_are_forgotten_when_the_values_change() {
        use pelk_cpu::Rows;
        use pelk_simd::Level;
        let mut buffer = Pool::default().take_copy(&[1.0, 2.0]);
        buffer.pack(|| PackedWeight::new(Level::best(), Rows::new(&[1.0, 2.0], 2).unwrap()));
        assert!(buffer.packed().is_some());
        buffer[0] = 3.0;
        assert!(buffer.packed().is_none());
    }

    #[test]
    fn idle_memory_stays_below_the_peak() {
        let pool = Pool::default();
        for extra in 0..100 {
            drop(pool.take(SMALLEST_POOLED + extra));
        }
        let state = pool.0.lock().unwrap();
        assert!(state.idle_values <= state.peak_values);
        assert_eq!(state.live_values, 0);
    }
}
