//! Calls of kernels: a shader's text, the tensors it works on, and how the work is cut.
//!
//! A shader's file holds its arithmetic alone. What every shader has in common is written here around it: the
//! bindings, `load_x(i)` and `store_y(i, value)` for tensors `x` and `y`, which convert from and to the type in which they
//! are stored, the scalars `p.name`, and `main`, which calls
//! - `item(i)` for every item, or
//! - `block(g, local)` for every workgroup, by all of its invocations.
//!
//! The work of a call is a number of units (rows, images, blocks of rows). A tensor either belongs to the call as a whole, or each
//! unit has its part. Units are what a call is cut between where a tensor is larger than an adapter can bind at once, or the work
//! more than one dispatch should do. Indices count from the first unit of the part; `p.first` is its number in the whole.

use crate::memory::{Buffer, Element};
use crate::stream::SLOT;
use crate::{Gpu, GpuError, Result};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, PoisonError};

/// Invocations of a workgroup of items: a multiple of every subgroup, small enough that little is idle at the end.
const ITEMS: u32 = 128;
/// Multiply-adds of one dispatch, as many as of one submission.
const DISPATCH_WORK: u64 = 1 << 33;

/// What all shaders may use.
const COMMON: &str = include_str!("common.wgsl");

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

struct Binding<'a> {
    name: &'static str,
    view: View<'a>,
    part: Part,
    writes: bool,
}

impl Binding<'_> {
    fn element(&self) -> Element {
        self.view.buffer.element()
    }

    fn bytes(&self) -> u64 {
        self.view.buffer.bytes()
    }
}

#[derive(Clone, Copy)]
enum Grid {
    Items,
    Blocks(u32),
}

/// A call that is being put together.
pub(crate) struct Call<'a> {
    gpu: &'a Gpu,
    name: &'static str,
    /// Tells texts of the same name apart.
    variant: String,
    text: Box<dyn Fn() -> String + 'a>,
    grid: Grid,
    /// Whether the text reads `subgroup`.
    knows_subgroups: bool,
    bindings: Vec<Binding<'a>>,
    scalars: Vec<(&'static str, Scalar)>,
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

/// Compiled kernels by name, variant and types.
pub(crate) type Pipelines = HashMap<String, Arc<Pipeline>>;

pub(crate) struct Pipeline {
    layout: wgpu::BindGroupLayout,
    pipeline: wgpu::ComputePipeline,
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
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer: &buffer.raw, offset, size }),
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

    fn pipeline(&self) -> Result<Arc<Pipeline>> {
        let mut key = format!("{} {}", self.name, self.variant);
        for binding in &self.bindings {
            let kind = if matches!(binding.part, Whole) { 'w' } else { 'e' };
            let _ = write!(key, " {}{kind}", binding.element().wgsl()); // strings take all
        }
        let pipelines = &self.gpu.shared().pipelines;
        if let Some(pipeline) = pipelines.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(pipeline.clone());
        }
        let pipeline = Arc::new(self.compile()?);
        pipelines.lock().unwrap_or_else(PoisonError::into_inner).insert(key, pipeline.clone());
        Ok(pipeline)
    }

    fn compile(&self) -> Result<Pipeline> {
        self.gpu.healthy()?;
        let device = self.gpu.device();
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(self.name),
            source: wgpu::ShaderSource::Wgsl(self.text().into()),
        });
        let uniform = wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Uniform,
            has_dynamic_offset: true,
            min_binding_size: None,
        };
        let storage = |binding: &Binding<'_>| wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage { read_only: !binding.writes },
            has_dynamic_offset: false,
            min_binding_size: None,
        };
        let types = [uniform].into_iter().chain(self.bindings.iter().map(storage));
        let entries = types.zip(0..).map(|(ty, binding)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty,
            count: None,
        });
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(self.name),
            entries: &entries.collect::<Vec<_>>(),
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(self.name),
            bind_group_layouts: &[Some(&layout)],
            ..wgpu::PipelineLayoutDescriptor::default()
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(self.name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false, // kernels write it before they read it
                ..wgpu::PipelineCompilationOptions::default()
            },
            cache: None,
        });
        self.gpu.healthy()?;
        Ok(Pipeline { layout, pipeline })
    }

    /// The whole shader.
    fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        if self.bindings.iter().any(|binding| binding.element() == Element::F16) {
            line("enable f16;".to_owned());
        }
        line("struct Scalars {".to_owned());
        line("    first: u32,\n    count: u32,".to_owned());
        for Binding { name, .. } in self.bindings.iter().filter(|binding| matches!(binding.part, Each(_))) {
            line(format!("    {name}_base: u32,"));
        }
        for (name, scalar) in &self.scalars {
            let ty = match scalar {
                Scalar::Unsigned(_) => "u32",
                Scalar::Float(_) => "f32",
            };
            line(format!("    {name}: {ty},"));
        }
        line("}\n@group(0) @binding(0) var<uniform> p: Scalars;".to_owned());
        for (i, binding) in self.bindings.iter().enumerate() {
            let Binding { name, part, writes, .. } = binding;
            let (ty, access) = (binding.element().wgsl(), if *writes { "read_write" } else { "read" });
            line(format!("@group(0) @binding({}) var<storage, {access}> {name}: array<{ty}>;", i + 1));
            let index = if matches!(part, Whole) { "i".to_owned() } else { format!("p.{name}_base + i") };
            let wide = if binding.element() == Element::I32 { "i32" } else { "f32" };
            line(format!("fn load_{name}(i: u32) -> {wide} {{ return {wide}({name}[{index}]); }}"));
            if *writes {
                line(format!("fn store_{name}(i: u32, value: {wide}) {{ {name}[{index}] = {ty}(value); }}"));
            }
        }
        line(COMMON.to_owned());
        line((self.text)());
        let (size, call) = match self.grid {
            Grid::Items => (ITEMS, format!("let i = group * {ITEMS}u + local; if i < p.count {{ item(i); }}")),
            Grid::Blocks(size) => (size, "if group < p.count { block(group, local); }".to_owned()),
        };
        let (builtins, note) = if self.knows_subgroups {
            line("struct Subgroup { id: u32, count: u32, lane: u32, lanes: u32 }".to_owned());
            line("var<private> subgroup: Subgroup;".to_owned());
            ("\n    @builtin(subgroup_id) id_of_subgroup: u32,\n    @builtin(num_subgroups) subgroups: u32,\n    \
              @builtin(subgroup_invocation_id) lane: u32,\n    @builtin(subgroup_size) lanes: u32,",
             "subgroup = Subgroup(id_of_subgroup, subgroups, lane, lanes);")
        } else {
            ("", "")
        };
        line(format!(
            "@compute @workgroup_size({size})\n\
             fn main(\n\
             \x20   @builtin(workgroup_id) id: vec3<u32>,\n\
             \x20   @builtin(num_workgroups) groups: vec3<u32>,\n\
             \x20   @builtin(local_invocation_index) local: u32,{builtins}\n\
             ) {{\n\
             \x20   {note}\n\
             \x20   let group = id.y * groups.x + id.x;\n\
             \x20   {call}\n\
             }}"
        ));
        text
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
