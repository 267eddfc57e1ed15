//! The adapters of this machine, and choosing one.

use crate::{GpuError, Result};
use std::fmt;

/// The kinds of adapters, in order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdapterKind {
    /// A card with memory of its own.
    Discrete,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// A virtual machine's GPU.
    Virtual,
    /// Not reported by the driver.
    Unknown,
    /// A software GPU on the processor, for tests.
    Software,
}

impl fmt::Display for AdapterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AdapterKind::Discrete => "discrete GPU",
            AdapterKind::Integrated => "integrated GPU",
            AdapterKind::Virtual => "virtual GPU",
            AdapterKind::Unknown => "unknown kind",
            AdapterKind::Software => "software",
        })
    }
}

/// A GPU that could be opened with [`Gpu::open`](crate::Gpu::open).
#[derive(Debug, Clone)]
pub struct Adapter {
    pub(crate) raw: wgpu::Adapter,
    info: wgpu::AdapterInfo,
}

impl Adapter {
    /// All adapters, the most capable kinds first.
    ///
    /// # Errors
    /// When this crate was built without drivers.
    ///
    /// ```
    /// for adapter in pelk_wgpu::Adapter::all()? {
    ///     assert!(!adapter.name().is_empty());
    /// }
    /// # Ok::<(), pelk_wgpu::GpuError>(())
    /// ```
    pub fn all() -> Result<Vec<Adapter>> {
        // wgpu panics where it has no backend.
        if wgpu::Instance::enabled_backend_features().is_empty() {
            return Err(GpuError::NoDrivers);
        }
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: wgpu::Backends::PRIMARY,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        let raw = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
        let mut adapters: Vec<Adapter> =
            raw.into_iter().map(|raw| Adapter { info: raw.get_info(), raw }).collect();
        adapters.sort_by_key(Adapter::kind);
        Ok(adapters)
    }

    /// The adapter of the most capable kind; a software adapter if there is no other.
    ///
    /// # Errors
    /// When the machine has no adapter, or this crate was built without drivers.
    pub fn best() -> Result<Adapter> {
        Adapter::all()?.into_iter().next().ok_or(GpuError::NoAdapter)
    }

    /// The adapter with this number in [`Adapter::all`], or the first whose name contains `wanted`, ignoring
    /// case.
    ///
    /// # Errors
    /// When no adapter matches or exists, or this crate was built without drivers.
    pub fn matching(wanted: &str) -> Result<Adapter> {
        let mut all = Adapter::all()?;
        if all.is_empty() {
            return Err(GpuError::NoAdapter);
        }
        let by_number = wanted.parse().ok().filter(|&index: &usize| index < all.len());
        let holds = |adapter: &Adapter| adapter.name().to_lowercase().contains(&wanted.to_lowercase());
        match by_number.or_else(|| all.iter().position(holds)) {
            Some(index) => Ok(all.swap_remove(index)),
            None => {
                let names = all.iter().enumerate().map(|(i, adapter)| format!("{i}: {}", adapter.name()));
                let found = names.collect::<Vec<_>>().join(", ");
                Err(GpuError::NoSuchAdapter { wanted: wanted.to_owned(), found })
            }
        }
    }

    /// The name that the driver reports.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// Its API: `vulkan`, `metal` or `dx12`.
    pub fn backend(&self) -> &'static str {
        self.info.backend.to_str()
    }

    /// The driver and its version.
    pub fn driver(&self) -> String {
        let wgpu::AdapterInfo { driver, driver_info, .. } = &self.info;
        [driver.as_str(), driver_info]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The kind of adapter.
    pub fn kind(&self) -> AdapterKind {
        match self.info.device_type {
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
            wgpu::DeviceType::Other => AdapterKind::Unknown,
            wgpu::DeviceType::Cpu => AdapterKind::Software,
        }
    }

    /// Whether shaders may store 16-bit floats.
    pub fn has_float16(&self) -> bool {
        self.raw.features().contains(wgpu::Features::SHADER_F16)
    }

    /// The smallest and largest number of invocations in a subgroup, or `None` if shaders cannot sum across a
    /// subgroup.
    pub fn subgroups(&self) -> Option<(u32, u32)> {
        let has = self.raw.features().contains(wgpu::Features::SUBGROUP);
        has.then_some((self.info.subgroup_min_size, self.info.subgroup_max_size))
    }

    /// Whether the device can measure how long its work took.
    pub fn has_timestamps(&self) -> bool {
        self.raw.features().contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    /// The limits that matter here, with their WebGPU names.
    pub fn limits(&self) -> [(&'static str, u64); 5] {
        let limits = self.raw.limits();
        [
            ("maxStorageBufferBindingSize", limits.max_storage_buffer_binding_size),
            ("maxBufferSize", limits.max_buffer_size),
            ("maxComputeWorkgroupStorageSize", limits.max_compute_workgroup_storage_size.into()),
            ("maxComputeInvocationsPerWorkgroup", limits.max_compute_invocations_per_workgroup.into()),
            ("maxComputeWorkgroupsPerDimension", limits.max_compute_workgroups_per_dimension.into()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_are_listed_only_with_drivers() {
        let system_has_backends = cfg!(any(windows, target_vendor = "apple", target_os = "linux"));
        if cfg!(feature = "drivers") && system_has_backends {
            assert!(Adapter::all().is_ok());
        } else {
            let errors =
                [Adapter::all().map(drop), Adapter::best().map(drop), Adapter::matching("0").map(drop)];
            for error in errors {
                assert!(matches!(error, Err(GpuError::NoDrivers)), "{error:?}");
            }
        }
    }
}
