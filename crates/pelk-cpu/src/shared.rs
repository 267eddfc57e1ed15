//! A buffer that several tasks write at the same time, each its own values.

use std::marker::PhantomData;
use std::ops::Range;

/// The values of a `&mut [f32]`, shared between threads.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    start: *mut f32,
    len: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: the pointer is that of a `&mut [f32]`, which may move to another thread.
unsafe impl Send for Shared<'_> {}
// SAFETY: the values are reached through `range_mut` alone, and through pointers that only unsafe code can
// use; the callers of both keep threads apart.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub fn new(values: &'a mut [f32]) -> Self {
        Self { start: values.as_mut_ptr(), len: values.len(), lifetime: PhantomData }
    }

    /// Where the values of `range` begin; panics if they are not all within the buffer.
    #[inline(always)]
    pub fn at(self, range: Range<usize>) -> *mut f32 {
        assert!(range.start <= range.end && range.end <= self.len, "beyond the end of the buffer");
        // SAFETY: within the buffer or at its end, as just checked.
        unsafe { self.start.add(range.start) }
    }

    /// The values of `range`; panics if they are not all within the buffer.
    ///
    /// # Safety
    /// No other slice that overlaps the range may exist, on any thread, while this one does.
    #[inline(always)]
    pub unsafe fn range_mut(self, range: Range<usize>) -> &'a mut [f32] {
        // SAFETY: within the buffer, as `at` checks; exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.at(range.clone()), range.len()) }
    }
}
