//! Calls of kernels: a shader's text, the tensors it works on, and how the work is cut.
//!
//! A shader's file holds its arithmetic alone. What every shader has in common is written around it ([`pipeline`](crate::pipeline)): the
//! bindings, `load_x(i)` and `store_y(i, value)` for tensors `x` and `y`, which convert from and to the type in which they
//! are stored, the scalars `p.name`, and `main`, which calls
//! - `item(i)` for every item, or
//! - `block(g, local)` for every workgroup, by all of its invocations.
//!
//! The work of a call is a number of units (rows, images, blocks of rows). A tensor either belongs to the call as a whole, or each
//! unit has its part. Units are what a call is cut between where a tensor is larger than an adapter can bind at once, or the work
//! more than one dispatch should do. Indices count from the first unit of the part; `p.first` is its number in the whole.

use crate::memory::{Buffer, Element};
use crate::pipeline::Pipeline;
use crate::stream::SLOT;
use crate::{Gpu, GpuError, Result};

/// Invocations of a workgroup of items: a multiple of every subgroup, small enough that little is idle at the end.
pub(crate) const ITEMS: u32 = 128;
/// Multiply-adds of one dispatch: half of those after which a submission ends.
const DISPATCH_WORK: u64 = 1 << 33;

/// A number for a shader.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scalar {
    Unsigned(u32),
    Float(f32),
}

impl From<usize> for Scalar {
    fn from(value: usize) -> Scalar {
        // Tensors have fewer values than this; see Gpu::empty.
        Scalar::Unsigned(value as u32)
    }
}

impl From<f32> for Scalar {
    fn from(value: f32) -> Scalar {
        Scalar::Float(value)
    }
}

/// How much of a tensor belongs to one unit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    /// All of it to all.
    Whole,
    /// So many values each, one after another; the last unit may have fewer.
    Each(usize),
}
pub(crate) use Part::{Each, Whole};

/// A buffer from one of its values on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub buffer: &'a Buffer,
    /// The first value.
    pub begin: usize,
}

impl<'a> From<&'a Buffer> for View<'a> {
    fn from(buffer: &'a Buffer) -> View<'a> {
        View { buffer, begin: 0 }
    }
}

/// Something that a shader's expression names.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operand<'a> {
    /// A tensor that is read, `load_NAME(i)`.
    Tensor(&'static str, &'a Buffer, Part),
    /// A tensor that is written, `store_NAME(i, value)`.
    Output(&'static str, &'a Buffer, Part),
    /// A number, `p.NAME`.
    Number(&'static str, Scalar),
}

pub(crate) struct Binding<'a> {
    pub name: &'static str,
    view: View<'a>,
    pub part: Part,
    pub writes: bool,
}

impl Binding<'_> {
    pub fn element(&self) -> Element {
        self.view.buffer.element()
    }

    fn bytes(&self) -> u64 {
        self.view.buffer.bytes()
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Grid {
    Items,
    Blocks(u32),
}

/// A call that is being put together.
pub(crate) struct Call<'a> {
    pub gpu: &'a Gpu,
    pub name: &'static str,
    /// Tells texts of the same name apart.
    pub variant: String,
    pub text: Box<dyn Fn() -> String + 'a>,
    pub grid: Grid,
    /// Whether the text reads `subgroup`.
    pub knows_subgroups: bool,
    pub bindings: Vec<Binding<'a>>,
    pub scalars: Vec<(&'static str, Scalar)>,
}

/// One dispatch.
pub(crate) struct Launch<'a> {
    pub name: &'static str,
    pub pipeline: &'a wgpu::ComputePipeline,
    pub bindings: &'a wgpu::BindGroup,
    pub scalars: &'a [u32],
    pub workgroups: [u32; 2],
    pub work: u64,
}

impl Gpu {
    /// A call of the shader `text`, for every item.
    pub(crate) fn items<'a>(&'a self, name: &'static str, text: &'static str) -> Call<'a> {
        self.generated(name, String::new(), move || text.to_owned())
    }

    /// A call of a shader whose text is made where it is not compiled yet; `variant` decides it.
    pub(crate) fn generated<'a>(
        &'a self,
        name: &'static str,
        variant: String,
        text: impl Fn() -> String + 'a,
    ) -> Call<'a> {
        let (bindings, scalars) = (Vec::new(), Vec::new());
        let (text, grid, knows_subgroups) = (Box::new(text), Grid::Items, false);
        Call { gpu: self, name, variant, text, grid, knows_subgroups, bindings, scalars }
    }
}

impl<'a> Call<'a> {
    /// For every workgroup of `size` invocations instead of every item.
    pub fn blocks(mut self, size: u32) -> Self {
        self.grid = Grid::Blocks(size);
        self
    }

    /// Lets the shader know its place in its subgroup: `subgroup.id` of `subgroup.count`, and `subgroup.lane` of `subgroup.lanes`.
    pub fn knowing_subgroups(mut self) -> Self {
        self.knows_subgroups = true;
        self
    }

    /// A tensor that is read.
    pub fn read(self, name: &'static str, view: impl Into<View<'a>>, part: Part) -> Self {
        self.bind(name, view.into(), part, false)
    }

    /// A tensor that is written, or changed.
    pub fn write(self, name: &'static str, view: impl Into<View<'a>>, part: Part) -> Self {
        self.bind(name, view.into(), part, true)
    }

    fn bind(mut self, name: &'static str, view: View<'a>, part: Part, writes: bool) -> Self {
        self.bindings.push(Binding { name, view, part, writes });
        self
    }

    /// A number, `p.name` in the shader.
    pub fn scalar(mut self, name: &'static str, value: impl Into<Scalar>) -> Self {
        self.scalars.push((name, value.into()));
        self
    }

    /// All of them.
    pub fn operands(self, operands: &[Operand<'a>]) -> Self {
        operands.iter().fold(self, |call, operand| match *operand {
            Operand::Tensor(name, buffer, part) => call.read(name, buffer, part),
            Operand::Output(name, buffer, part) => call.write(name, buffer, part),
            Operand::Number(name, value) => call.scalar(name, value),
        })
    }

    /// Records the call: `units`, of `per_unit` items or workgroups each, and `work` multiply-adds a unit.
    pub fn run(self, units: usize, per_unit: usize, work: usize) -> Result<()> {
        if units == 0 || per_unit == 0 {
            return Ok(());
        }
        let pipeline = self.pipeline()?;
        let part = self.units_at_once(units, per_unit, work)?;
        for first in (0..units).step_by(part) {
            self.dispatch(&pipeline, first, part.min(units - first), per_unit, work)?;
        }
        Ok(())
    }

    /// How many units one dispatch can take.
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
            let Each(width) = binding.part else {
                return Err(too_large(binding, binding.bytes()));
            };
            let unit = width as u64 * binding.element().bytes();
            // A part may begin up to an alignment before its first value.
            match (limit.saturating_sub(alignment)) / unit {
                0 => return Err(too_large(binding, unit)),
                fit => most = most.min(fit as usize),
            }
        }
        Ok(most.min(units))
    }

    fn dispatch(
        &self,
        pipeline: &Pipeline,
        first: usize,
        units: usize,
        per_unit: usize,
        work: usize,
    ) -> Result<()> {
        let gpu = self.gpu;
        let alignment = u64::from(gpu.limits().min_storage_buffer_offset_alignment);
        let count = units * per_unit;
        let mut scalars = vec![first as u32, count as u32];
        let mut entries = vec![wgpu::BindGroupEntry {
            binding: 0,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &gpu.shared().scalar_buffer,
                offset: 0,
                size: wgpu::BufferSize::new(SLOT),
            }),
        }];
        for (i, binding) in self.bindings.iter().enumerate() {
            let Binding { view: View { buffer, begin }, part, .. } = *binding;
            let bytes = buffer.element().bytes();
            let (start, end) = match part {
                Whole => (0, buffer.bytes()),
                Each(width) => {
                    let at = |unit: usize| ((begin + unit * width) as u64 * bytes).min(buffer.bytes());
                    (at(first), at(first + units))
                }
            };
            let offset = start - start % alignment;
            if matches!(part, Each(_)) {
                scalars.push(((start - offset) / bytes) as u32);
            }
            // Sizes of bindings are multiples of 4; buffers are padded.
            let size = wgpu::BufferSize::new((end - offset).next_multiple_of(4));
            entries.push(wgpu::BindGroupEntry {
                binding: i as u32 + 1,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &buffer.raw,
                    offset,
                    size,
                }),
            });
        }
        scalars.extend(self.scalars.iter().map(|(_, scalar)| match *scalar {
            Scalar::Unsigned(value) => value,
            Scalar::Float(value) => value.to_bits(),
        }));
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
            workgroups: spread(workgroups as u32, gpu.limits().max_compute_workgroups_per_dimension),
            work: units as u64 * work as u64,
        })
    }
}

/// So many workgroups, or a few more, on two axes of at most `most`.
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
