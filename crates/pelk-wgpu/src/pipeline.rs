//! The whole text of a shader, and its compilation: once for each text and each choice of stored types.

use crate::Result;
use crate::kernel::{Binding, Call, Each, Grid, ITEMS, Scalar, Whole};
use crate::memory::Element;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, PoisonError};

/// What all shaders may use.
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
            Grid::Items => {
                (ITEMS, format!("let i = group * {ITEMS}u + local; if i < p.count {{ item(i); }}"))
            }
            Grid::Blocks(size) => (size, "if group < p.count { block(group, local); }".to_owned()),
        };
        let (builtins, note) = if self.knows_subgroups {
            line("struct Subgroup { id: u32, count: u32, lane: u32, lanes: u32 }".to_owned());
            line("var<private> subgroup: Subgroup;".to_owned());
            (
                "\n    @builtin(subgroup_id) id_of_subgroup: u32,\n    @builtin(num_subgroups) subgroups: u32,\n    \
              @builtin(subgroup_invocation_id) lane: u32,\n    @builtin(subgroup_size) lanes: u32,",
                "subgroup = Subgroup(id_of_subgroup, subgroups, lane, lanes);",
            )
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
