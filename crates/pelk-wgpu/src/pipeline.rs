//! Assembling a shader's text, and compiling it once for each text and choice of storage types.
//!
//! A `.wgsl` file holds arithmetic only. This module adds the rest: the bindings, the numbers `p`, the loads
//! and stores, `common.wgsl`, and `main`. A file defines one or more of these functions:
//!
//! | function | called | by |
//! | --- | --- | --- |
//! | `item(i)` | once for every item | `main` of `Gpu::items` |
//! | `block(g, local)` | by all invocations `local` of every workgroup `g` | `main` after `Call::blocks` |
//! | `row(r, lane, lanes, live)` | by `lanes` invocations together for every row | `block` of `Gpu::rows` |
//! | `operand_a(m, k, at)` | for every value of the first operand | `gemm/product.wgsl` |
//! | `operand_b(k, n, at)` | for every value of the second operand | `gemm/product.wgsl` |
//! | `finish(m, n, at, value)` | for every output, which is `store_y(at, ..)` | `gemm/product.wgsl` |
//! | `terms(at, r, column)` | for every value of a matrix | `reduce/column_sums.wgsl` |
//! | `finish(y, x, c, at, value)` | for every output, which is `store_y(at, ..)` | `depthwise/*.wgsl` |
//! | `place(i)`, `loss(i)`, `slope(i)` | for every term of a loss | `detection_loss/*ward.wgsl` |
//! | `gradient_row(image, a, y)` | for each row of kernel and image | `depthwise/theta_gradient.wgsl` |
//!
//! - A call needs one of the first three. The others fill in what a kernel leaves open: each is in its own
//!   file, and the host chooses one.
//! - `row`: if `live` is false, the row repeats the last one. It must be computed, since all lanes take part
//!   in sums, but not stored.
//! - `operand_a` and `operand_b` return the operand's value in this row and column; `load_a(at)` and
//!   `load_b(at)` return the stored values.
//! - `terms` returns what row `r` adds to the sum of `column`, as `f32`, or to two sums, as `vec2<f32>`;
//!   `load_x(at)` and `load_g(at)` are the values of the matrices.
//! - `place`, `loss` and `slope` return where the values of a term begin, its part of the loss, and the
//!   derivatives by its values, at most four.
//! - `gradient_row` returns the row of `g` that row `a` of the kernel meets at row `y` of the input, or
//!   `NONE`.
//!
//! They may use these names:
//!
//! | name | meaning |
//! | --- | --- |
//! | `load_NAME(i)` | value `i` of a tensor that the host binds: `f32`, or `i32` of integers |
//! | `store_NAME(i, value)` | stores value `i` of a tensor that the host binds with `Call::write` |
//! | `p.NAME` | a number that the host gives with `Call::scalar`: `u32` or `f32` |
//! | `p.count` | items or workgroups of this dispatch |
//! | `p.first` | the first unit of this dispatch, in the whole call |
//! | `NONE`, `gelu`, `gelu_slope` | from `common.wgsl` |
//! | `row_sum(value)`, `row_max(value)` | in `row`: across all lanes, each of which must call it |
//! | `subgroup.id`, `.count`, `.lane`, `.lanes` | after `Call::knowing_subgroups` |
//! | `ROWS`, `COLUMNS` | in `gemm`: the size of a tile. In `rows`, `ROWS` alone: rows of a workgroup |
//! | `BLOCK` | in `reduce`: rows of a unit |
//! | `LANES` | in `depthwise`: neighboring outputs of an invocation |
//!
//! A call may be cut into several dispatches, between units (see [`kernel`](crate::kernel)). `i`, `g`, `r`
//! and `m`, in sums over rows `k`, and the index of a tensor that is divided among the units, count from the
//! first unit of the dispatch. So the row of the whole tensor is `p.first * ROWS + m`, `p.first * p.k_part +
//! k` or `p.first * BLOCK + r`.

use crate::Result;
use crate::kernel::{Binding, Call, Grid, ITEMS, Scalar};
use crate::memory::Element;
use std::collections::HashMap;
use std::fmt::{self, Write};
use std::sync::{Arc, PoisonError};

/// Functions that all shaders may use.
const COMMON: &str = include_str!("common.wgsl");

/// Compiled kernels by name, variant and types.
pub(crate) type Pipelines = HashMap<String, Arc<Pipeline>>;

pub(crate) struct Pipeline {
    pub layout: wgpu::BindGroupLayout,
    pub pipeline: wgpu::ComputePipeline,
}

impl Call<'_> {
    /// The compiled kernel.
    pub fn pipeline(&self) -> Result<Arc<Pipeline>> {
        let mut key = format!("{} {}", self.name, self.variant);
        for binding in &self.bindings {
            let kind = if binding.part.has_base() { 'e' } else { 'w' };
            let _ = write!(key, " {}{kind}", binding.element().wgsl()); // writing to a String cannot fail
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
        let layout = self.layout();
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

    /// The scalars at binding 0, then the tensors in their order.
    fn layout(&self) -> wgpu::BindGroupLayout {
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
        self.gpu.device().create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(self.name),
            entries: &entries.collect::<Vec<_>>(),
        })
    }

    /// The whole shader.
    fn text(&self) -> String {
        let mut text = String::new();
        if self.bindings.iter().any(|binding| binding.element() == Element::F16) {
            text.push_str("enable f16;\n");
        }
        self.declare_scalars(&mut text);
        for (binding, index) in self.bindings.iter().zip(1..) {
            declare_binding(&mut text, index, binding);
        }
        text.push_str(COMMON);
        text.push_str(&(self.text)());
        self.define_main(&mut text);
        text
    }

    fn declare_scalars(&self, text: &mut String) {
        text.push_str("struct Scalars {\n    first: u32,\n    count: u32,\n");
        for Binding { name, .. } in self.bindings.iter().filter(|binding| binding.part.has_base()) {
            line(text, format_args!("    {name}_base: u32,"));
        }
        for (name, scalar) in &self.scalars {
            let ty = match scalar {
                Scalar::Unsigned(_) => "u32",
                Scalar::Float(_) => "f32",
            };
            line(text, format_args!("    {name}: {ty},"));
        }
        text.push_str("}\n@group(0) @binding(0) var<uniform> p: Scalars;\n");
    }

    fn define_main(&self, text: &mut String) {
        let (size, call) = match self.grid {
            Grid::Items => {
                (ITEMS, format!("let i = group * {ITEMS}u + local; if i < p.count {{ item(i); }}"))
            }
            Grid::Blocks(size) => (size, "if group < p.count { block(group, local); }".to_owned()),
        };
        let (mut builtins, mut note) = ("", "");
        if self.knows_subgroups {
            text.push_str(
                "struct Subgroup { id: u32, count: u32, lane: u32, lanes: u32 }\n\
                 var<private> subgroup: Subgroup;\n",
            );
            builtins = "\n    @builtin(subgroup_id) id_of_subgroup: u32,\
                        \n    @builtin(num_subgroups) subgroups: u32,\
                        \n    @builtin(subgroup_invocation_id) lane: u32,\
                        \n    @builtin(subgroup_size) lanes: u32,";
            note = "subgroup = Subgroup(id_of_subgroup, subgroups, lane, lanes);";
        }
        line(
            text,
            format_args!(
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
            ),
        );
    }
}

/// The variable of a tensor and the functions that load and store its values.
fn declare_binding(text: &mut String, index: u32, binding: &Binding<'_>) {
    let Binding { name, part, writes, .. } = binding;
    let (ty, access) = (binding.element().wgsl(), if *writes { "read_write" } else { "read" });
    line(text, format_args!("@group(0) @binding({index}) var<storage, {access}> {name}: array<{ty}>;"));
    let place = if part.has_base() { format!("p.{name}_base + i") } else { "i".to_owned() };
    let wide = if binding.element() == Element::I32 { "i32" } else { "f32" };
    line(text, format_args!("fn load_{name}(i: u32) -> {wide} {{ return {wide}({name}[{place}]); }}"));
    if *writes {
        line(
            text,
            format_args!("fn store_{name}(i: u32, value: {wide}) {{ {name}[{place}] = {ty}(value); }}"),
        );
    }
}

fn line(text: &mut String, line: fmt::Arguments<'_>) {
    let _ = writeln!(text, "{line}"); // writing to a String cannot fail
}
