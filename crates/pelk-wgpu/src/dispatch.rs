//! Running a call: how its work is cut into dispatches, and which part of each tensor a dispatch binds.

use crate::kernel::{Binding, Call, Each, Grid, ITEMS, Slice, View, Whole};
use crate::pipeline::Pipeline;
use crate::stream::{Launch, SLOT};
use crate::{GpuError, Result};
use std::ops::Range;

/// Most multiply-adds of a dispatch: half as many as end a submission.
const DISPATCH_WORK: u64 = 1 << 33;

/// The part of a buffer that one dispatch binds.
struct Window {
    /// Byte at which the binding begins: a multiple of the adapter's alignment.
    offset: u64,
    /// Bytes bound.
    size: u64,
    /// Index of the part's first value, counted from `offset`.
    base: u32,
}

impl Binding<'_> {
    /// What the dispatch of `units` binds, starting at a multiple of `alignment` bytes.
    fn window(&self, units: &Range<usize>, alignment: u64) -> Window {
        let View { buffer, begin } = self.view;
        let bytes = buffer.element().bytes();
        let at = |value: usize| ((begin + value) as u64 * bytes).min(buffer.bytes());
        let (start, end) = match self.part {
            Whole => (0, buffer.bytes()),
            Each(width) => (at(units.start * width), at(units.end * width)),
            Slice(len) => (at(0), at(len)),
        };
        let offset = start - start % alignment;
        // The size of a binding is a multiple of 4; buffers are padded.
        let size = (end - offset).next_multiple_of(4);
        Window { offset, size, base: ((start - offset) / bytes) as u32 }
    }
}

impl Call<'_> {
    /// Records the call: `units` of `per_unit` items or workgroups and `work` multiply-adds each.
    pub fn run(self, units: usize, per_unit: usize, work: usize) -> Result<()> {
        if units == 0 || per_unit == 0 {
            return Ok(());
        }
        let pipeline = self.pipeline()?;
        let part = self.units_at_once(units, per_unit, work)?;
        for first in (0..units).step_by(part) {
            let units = first..(first + part).min(units);
            let work = units.len() as u64 * work as u64;
            self.dispatch(&pipeline, units, per_unit, work)?;
        }
        Ok(())
    }

    /// Most units of one dispatch.
    fn units_at_once(&self, units: usize, per_unit: usize, work: usize) -> Result<usize> {
        let limits = self.gpu.limits();
        let (limit, alignment) =
            (limits.max_storage_buffer_binding_size, u64::from(limits.min_storage_buffer_offset_alignment));
        let too_large = |binding: &Binding<'_>, bytes| GpuError::TooLarge {
            adapter: self.gpu.name().to_owned(),
            what: format!("the tensor {} of the operator {}", binding.name, self.name),
            bytes,
            limit_name: "maxStorageBufferBindingSize",
            limit,
        };
        let mut most = (u32::MAX as usize / 2 / per_unit).min(DISPATCH_WORK as usize / work.max(1)).max(1);
        for binding in self.bindings.iter().filter(|binding| binding.bytes() > limit) {
            // A part may begin up to an alignment before its first value.
            let available = limit.saturating_sub(alignment);
            let bytes = |values: usize| values as u64 * binding.element().bytes();
            match binding.part {
                Whole => return Err(too_large(binding, binding.bytes())),
                Slice(len) if bytes(len) > available => return Err(too_large(binding, bytes(len))),
                Slice(_) => {}
                Each(width) => match available / bytes(width) {
                    0 => return Err(too_large(binding, bytes(width))),
                    fit => most = most.min(fit as usize),
                },
            }
        }
        Ok(most.min(units))
    }

    /// Records one dispatch of `units`, with `work` multiply-adds in total.
    fn dispatch(&self, pipeline: &Pipeline, units: Range<usize>, per_unit: usize, work: u64) -> Result<()> {
        let gpu = self.gpu;
        let limits = gpu.limits();
        let count = units.len() * per_unit;
        let mut scalars = vec![units.start as u32, count as u32];
        let mut entries = vec![entry(0, &gpu.shared().scalar_buffer, 0, SLOT)];
        for (binding, index) in self.bindings.iter().zip(1..) {
            let window = binding.window(&units, limits.min_storage_buffer_offset_alignment.into());
            if binding.part.has_base() {
                scalars.push(window.base);
            }
            entries.push(entry(index, &binding.view.buffer.raw, window.offset, window.size));
        }
        scalars.extend(self.scalars.iter().map(|(_, scalar)| scalar.bits()));
        let bindings = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(self.name),
            layout: &pipeline.layout,
            entries: &entries,
        });
        let workgroups = match self.grid {
            Grid::Items => count.div_ceil(ITEMS as usize),
            Grid::Blocks(_) => count,
        };
        gpu.record(&Launch {
            name: self.name,
            pipeline: &pipeline.pipeline,
            bindings: &bindings,
            scalars: &scalars,
            workgroups: spread(workgroups as u32, limits.max_compute_workgroups_per_dimension),
            work,
        })
    }
}

fn entry(binding: u32, buffer: &wgpu::Buffer, offset: u64, size: u64) -> wgpu::BindGroupEntry<'_> {
    let size = wgpu::BufferSize::new(size);
    let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size });
    wgpu::BindGroupEntry { binding, resource }
}

/// `workgroups`, or a few more, on two axes of at most `most` each.
fn spread(workgroups: u32, most: u32) -> [u32; 2] {
    let rows = workgroups.div_ceil(most);
    [workgroups.div_ceil(rows), rows]
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn workgroups_are_spread_over_two_axes() {
        assert_eq!(spread(7, 65_535), [7, 1]);
        assert_eq!(spread(65_535, 65_535), [65_535, 1]);
        let [x, y] = spread(100_001, 65_535);
        assert!(x <= 65_535 && x * y >= 100_001 && x * y < 100_001 + y, "{x} x {y}");
    }
}
