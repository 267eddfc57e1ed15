//! Working memory that a thread keeps from call to call: page faults of fresh memory would cost more than
//! much of the work done in it, and a network that runs repeatedly allocates nothing.
//!
//! This is the one `thread_local` of the crate, an exception to "no global state". It holds no values that
//! anyone reads, only capacity, so results do not depend on it. Passed as an argument it would be a parameter
//! of every operator, and there must be one for each thread of a pool that belongs to the caller.

use pelk_simd::MAX_LANES;
use std::cell::RefCell;

/// Buffer lengths are multiples of this: 2 MiB. With buffers of the exact length, one of two threads took 9 %
/// longer for the same work than with these (Zen 3, Linux, a convolution whose spectra take half of the
/// second-level cache), wherever in the buffer the work began; we think that physical pages handed out
/// together share fewer cache sets. Pages that are never written cost nothing.
const CHUNK: usize = 1 << 19;

thread_local! {
    /// Idle buffers: several where work that holds one runs other work, as a thread does when it steals while
    /// it waits.
    static IDLE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Lends `len` values with arbitrary contents, aligned to the widest vectors.
pub(crate) fn with<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = IDLE.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < len + MAX_LANES {
        drop(buffer); // nothing worth copying
        buffer = vec![0.0; (len + MAX_LANES).next_multiple_of(CHUNK)];
    }
    let skip = buffer.as_ptr().align_offset(MAX_LANES * size_of::<f32>()).min(MAX_LANES);
    let result = work(&mut buffer[skip..skip + len]);
    IDLE.with_borrow_mut(|idle| idle.push(buffer));
    result
}

/// [`with`] for several buffers at once, each aligned.
pub(crate) fn with_parts<const N: usize, R>(lens: [usize; N], work: impl FnOnce([&mut [f32]; N]) -> R) -> R {
    let padded = lens.map(|len| len.next_multiple_of(MAX_LANES));
    with(padded.iter().sum(), |mut rest| {
        let mut padded = padded.iter();
        work(lens.map(|len| {
            let len_padded = padded.next().copied().unwrap_or_default();
            let (part, tail) = std::mem::take(&mut rest).split_at_mut(len_padded);
            rest = tail;
            &mut part[..len]
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_aligned_and_kept() {
        let first = with(1000, |memory| memory.as_ptr());
        assert_eq!(first.align_offset(64), 0);
        assert_eq!(with(900, |memory| memory.as_ptr()), first);
    }

    #[test]
    fn nested_loans_do_not_overlap() {
        with(100, |outer| {
            outer.fill(1.0);
            with_parts([50, 7], |[a, b]| {
                assert_eq!((a.len(), b.len()), (50, 7));
                assert_eq!((a.as_ptr().align_offset(64), b.as_ptr().align_offset(64)), (0, 0));
                a.fill(2.0);
                b.fill(2.0);
            });
            assert!(outer.iter().all(|v| *v == 1.0));
        });
    }
}
