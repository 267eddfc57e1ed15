//! Device buffers and their recycling.
//!
//! The device runs work in the order in which it was recorded. So a buffer may be reused as soon as its owner
//! drops it, even if its readers have not run yet: whatever overwrites it runs after them.

use crate::{Gpu, GpuError, Result};
use std::collections::HashMap;
use std::fmt;
use std::sync::PoisonError;

/// The storage type of a value. Arithmetic is always float32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// 32-bit float.
    F32,
    /// 16-bit float; needs [`Adapter::has_float16`](crate::Adapter::has_float16).
    F16,
    /// 32-bit signed integer: labels, tables.
    I32,
}

impl Element {
    /// Bytes per value.
    pub fn bytes(self) -> u64 {
        match self {
            Element::F32 | Element::I32 => 4,
            Element::F16 => 2,
        }
    }

    /// The name in WGSL.
    pub(crate) fn wgsl(self) -> &'static str {
        match self {
            Element::F32 => "f32",
            Element::F16 => "f16",
            Element::I32 => "i32",
        }
    }
}

/// Values on the device. Dropping it frees its memory for the next buffer of this size.
pub struct Buffer {
    gpu: Gpu,
    pub(crate) raw: wgpu::Buffer,
    len: usize,
    element: Element,
}

impl Buffer {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The storage type of its values.
    pub fn element(&self) -> Element {
        self.element
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.len as u64 * self.element.bytes()
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} x {})", self.len, self.element.wgsl())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.gpu.memory().give_back(&self.raw);
    }
}

/// Buffer sizes are multiples of this, so that buffers can be copied and bound, and are often reused.
const GRANULE: u64 = 256;

/// Bytes in use, and bytes kept for reuse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Bytes of all buffers in use.
    pub live: u64,
    /// The most in use at once.
    pub peak: u64,
    /// Bytes kept for reuse; never more than `peak`.
    pub idle: u64,
}

/// Freed buffers by size.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    idle: HashMap<u64, Vec<wgpu::Buffer>>,
    usage: MemoryUse,
}

impl Memory {
    pub fn usage(&self) -> MemoryUse {
        self.usage
    }

    fn take(&mut self, bytes: u64) -> Option<wgpu::Buffer> {
        let buffer = self.idle.get_mut(&bytes)?.pop()?;
        self.usage.idle -= bytes;
        self.count(bytes);
        Some(buffer)
    }

    fn count(&mut self, bytes: u64) {
        self.usage.live += bytes;
        self.usage.peak = self.usage.peak.max(self.usage.live);
    }

    fn give_back(&mut self, buffer: &wgpu::Buffer) {
        let bytes = buffer.size();
        self.usage.live -= bytes;
        if self.usage.idle + bytes <= self.usage.peak {
            self.usage.idle += bytes;
            self.idle.entry(bytes).or_default().push(buffer.clone());
        }
    }

    fn free_idle(&mut self) {
        self.idle.clear();
        self.usage.idle = 0;
    }
}

impl Gpu {
    /// A buffer of `len` values, which are arbitrary until something is written to it.
    ///
    /// # Errors
    /// When the device is out of memory, or its buffers cannot be that large.
    pub fn empty(&self, len: usize, element: Element) -> Result<Buffer> {
        let bytes = (len as u64).saturating_mul(element.bytes()).max(1);
        let limit = self.limits().max_buffer_size;
        if bytes > limit - limit % GRANULE || len > i32::MAX as usize {
            return Err(GpuError::TooLarge {
                adapter: self.name().to_owned(),
                what: format!("a tensor of {len} values"),
                bytes,
                limit_name: "maxBufferSize",
                limit,
            });
        }
        let bytes = bytes.next_multiple_of(GRANULE);
        let recycled = self.memory().take(bytes);
        let raw = match recycled {
            Some(raw) => raw,
            None => {
                let raw = match self.create(bytes)? {
                    Some(raw) => raw,
                    None => self.create_after_freeing(bytes)?,
                };
                self.memory().count(bytes);
                raw
            }
        };
        Ok(Buffer { gpu: self.clone(), raw, len, element })
    }

    /// A buffer for an operator's output, in this handle's storage type.
    pub(crate) fn activation(&self, len: usize) -> Result<Buffer> {
        self.empty(len, self.activations())
    }

    /// A buffer, or `None` if the device is out of memory.
    fn create(&self, bytes: u64) -> Result<Option<wgpu::Buffer>> {
        self.healthy()?;
        let scope = self.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let descriptor =
            wgpu::BufferDescriptor { label: None, size: bytes, usage, mapped_at_creation: false };
        let buffer = self.device().create_buffer(&descriptor);
        let failed = pollster::block_on(scope.pop()).is_some();
        self.healthy()?;
        Ok((!failed).then_some(buffer))
    }

    /// A second try, after the buffers kept for reuse have been freed.
    fn create_after_freeing(&self, bytes: u64) -> Result<wgpu::Buffer> {
        self.memory().free_idle();
        self.finish()?;
        match self.create(bytes)? {
            Some(buffer) => Ok(buffer),
            None => {
                let in_use = self.memory().usage().live;
                Err(GpuError::OutOfMemory { adapter: self.name().to_owned(), bytes, in_use })
            }
        }
    }

    /// The memory use of all buffers of this device.
    pub fn memory_use(&self) -> MemoryUse {
        self.memory().usage()
    }

    pub(crate) fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.shared().memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
