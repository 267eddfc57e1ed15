//! An open device.

use crate::memory::{Element, Memory};
use crate::pipeline::Pipelines;
use crate::stream::Stream;
use crate::{Adapter, AdapterKind, GpuError, Result};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A device and its queue; a clone is another handle to the same device. Handles may be used by several
/// threads.
///
/// Operators are recorded and run later, in the same order. [`Gpu::download`] and [`Gpu::finish`] wait for
/// them.
#[derive(Clone)]
pub struct Gpu {
    shared: Arc<Shared>,
    activations: Element,
}

pub(crate) struct Shared {
    name: String,
    kind: AdapterKind,
    subgroups: bool,
    timestamps: bool,
    float16: bool,
    limits: wgpu::Limits,
    device: wgpu::Device,
    queue: wgpu::Queue,
    fault: Arc<Mutex<Option<GpuError>>>,
    pub memory: Mutex<Memory>,
    pub pipelines: Mutex<Pipelines>,
    pub scalar_buffer: wgpu::Buffer,
    pub stream: Mutex<Stream>,
}

/// How to open a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Sum across subgroups if the adapter can; otherwise through workgroup memory.
    pub subgroups: bool,
    /// Most bytes of one tensor that a kernel may bind at once; larger tensors are processed in parts. The
    /// default is the adapter's limit.
    pub binding_bytes: Option<u64>,
}

impl Default for Options {
    fn default() -> Options {
        Options { subgroups: true, binding_bytes: None }
    }
}

impl Gpu {
    /// Opens an adapter.
    ///
    /// # Errors
    /// When the driver cannot open a device.
    pub fn open(adapter: &Adapter, options: Options) -> Result<Gpu> {
        let subgroups = options.subgroups && adapter.subgroups().is_some();
        let wanted = [
            (adapter.has_float16(), wgpu::Features::SHADER_F16),
            (subgroups, wgpu::Features::SUBGROUP),
            (adapter.has_timestamps(), wgpu::Features::TIMESTAMP_QUERY),
        ];
        let features = wanted.into_iter().filter(|(has, _)| *has).map(|(_, feature)| feature);
        let mut limits = adapter.raw.limits();
        if let Some(bytes) = options.binding_bytes {
            limits.max_storage_buffer_binding_size = limits.max_storage_buffer_binding_size.min(bytes);
        }
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("pelk"),
            required_features: features.fold(wgpu::Features::empty(), |all, feature| all | feature),
            required_limits: limits.clone(),
            ..wgpu::DeviceDescriptor::default()
        };
        let name = adapter.name().to_owned();
        let (device, queue) = pollster::block_on(adapter.raw.request_device(&descriptor))
            .map_err(|error| GpuError::Open { adapter: name.clone(), reason: error.to_string() })?;
        let fault = Arc::new(Mutex::new(None));
        watch(&device, &name, &fault);
        let (stream, scalar_buffer) = (Stream::new(&device), Stream::scalar_buffer(&device));
        let shared = Shared {
            name,
            kind: adapter.kind(),
            subgroups,
            timestamps: adapter.has_timestamps(),
            float16: adapter.has_float16(),
            limits,
            device,
            queue,
            fault,
            memory: Mutex::default(),
            pipelines: Mutex::default(),
            scalar_buffer,
            stream: Mutex::new(stream),
        };
        Ok(Gpu { shared: Arc::new(shared), activations: Element::F32 })
    }

    /// A handle whose operators store their outputs as 16-bit floats; parameters, statistics and their
    /// gradients stay float32.
    ///
    /// # Errors
    /// When the adapter has no 16-bit floats.
    pub fn storing_float16(self) -> Result<Gpu> {
        if !self.shared.float16 {
            return Err(GpuError::NoFloat16 { adapter: self.name().to_owned() });
        }
        Ok(Gpu { activations: Element::F16, ..self })
    }

    /// The storage type of outputs.
    pub fn activations(&self) -> Element {
        self.activations
    }

    /// The adapter's name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The kind of adapter.
    pub fn kind(&self) -> AdapterKind {
        self.shared.kind
    }

    /// Whether kernels sum across subgroups.
    pub fn uses_subgroups(&self) -> bool {
        self.shared.subgroups
    }

    /// Whether [`Gpu::timed`] uses the device's clock.
    pub fn has_timestamps(&self) -> bool {
        self.shared.timestamps
    }

    /// Destroys the device, like a driver reset: every later call returns an error. For tests.
    pub fn destroy(&self) {
        self.shared.device.destroy();
        // The next poll runs the callback that reports it.
        let _ = self.shared.device.poll(wgpu::PollType::Poll);
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn device(&self) -> &wgpu::Device {
        &self.shared.device
    }

    pub(crate) fn queue(&self) -> &wgpu::Queue {
        &self.shared.queue
    }

    pub(crate) fn limits(&self) -> &wgpu::Limits {
        &self.shared.limits
    }

    /// The first error that the device reported, if any.
    pub(crate) fn healthy(&self) -> Result<()> {
        match &*self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(fault) => Err(fault.clone()),
            None => Ok(()),
        }
    }

    pub(crate) fn refused(&self, reason: impl fmt::Display) -> GpuError {
        GpuError::Refused { adapter: self.name().to_owned(), reason: reason.to_string() }
    }
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gpu({})", self.name())
    }
}

/// Keeps the device's first error: later ones follow from it.
fn watch(device: &wgpu::Device, name: &str, fault: &Arc<Mutex<Option<GpuError>>>) {
    let keep = |fault: &Mutex<Option<GpuError>>, error| {
        fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    };
    let (adapter, place) = (name.to_owned(), fault.clone());
    device.set_device_lost_callback(move |_, reason| {
        keep(&place, GpuError::Lost { adapter: adapter.clone(), reason });
    });
    let (adapter, place) = (name.to_owned(), fault.clone());
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        let adapter = adapter.clone();
        keep(&place, GpuError::Refused { adapter, reason: error.to_string() });
    }));
}
