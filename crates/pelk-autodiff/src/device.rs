//! The device to compute on, chosen at run time.

use crate::{CpuBackend, Error, Result};
use std::fmt;
use std::str::FromStr;

#[cfg(feature = "gpu")]
use crate::GpuBackend;
#[cfg(feature = "gpu")]
use pelk_wgpu::{Adapter, AdapterKind, Gpu, GpuError, Options};

/// A device that a user asks for. `FromStr` reads `cpu`, `gpu`, `gpu:NAME`, `gpu:NUMBER` and `auto`;
/// `Display` writes them.
///
/// ```
/// use pelk_autodiff::device::{Choice, Opened};
/// use pelk_autodiff::{Storage, on_device};
///
/// let Opened { device, remarks } = "cpu".parse::<Choice>()?.open()?;
/// assert!(remarks.is_empty());
/// let name = on_device!(device, backend => backend.name());
/// assert!(name.starts_with("cpu"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The processor.
    Cpu,
    /// A GPU: the best one, or the one with this number or part of a name.
    Gpu(Option<String>),
    /// The first hardware GPU that opens, else the processor.
    Auto,
}

/// A text that names no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be cpu, gpu, gpu:NAME, gpu:NUMBER or auto")]
pub struct ChoiceError;

impl FromStr for Choice {
    type Err = ChoiceError;

    fn from_str(text: &str) -> std::result::Result<Choice, ChoiceError> {
        match text.split_once(':') {
            Some(("gpu", wanted)) if !wanted.is_empty() => Ok(Choice::Gpu(Some(wanted.to_owned()))),
            None if text == "cpu" => Ok(Choice::Cpu),
            None if text == "gpu" => Ok(Choice::Gpu(None)),
            None if text == "auto" => Ok(Choice::Auto),
            _ => Err(ChoiceError),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Cpu => f.write_str("cpu"),
            Choice::Gpu(None) => f.write_str("gpu"),
            Choice::Gpu(Some(wanted)) => write!(f, "gpu:{wanted}"),
            Choice::Auto => f.write_str("auto"),
        }
    }
}

/// An open device. [`on_device!`](crate::on_device) runs generic code on its backend.
#[derive(Debug, Clone)]
pub enum Device {
    /// The processor.
    Cpu(CpuBackend),
    /// A GPU.
    #[cfg(feature = "gpu")]
    Gpu(GpuBackend),
}

/// An open device, and what its user should know about the choice.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The device.
    pub device: Device,
    /// Remarks for the user, at most one for now.
    pub remarks: Vec<Remark>,
}

/// What a user should know about the device that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remark {
    /// The GPU is the processor behind a software driver, which is for tests: [`CpuBackend`] computes the
    /// same, much faster.
    SoftwareGpu {
        /// The GPU's name.
        name: String,
    },
    /// [`Choice::Auto`] chose a GPU.
    ChoseGpu {
        /// The GPU's name.
        name: String,
        /// What kind of GPU it is.
        kind: String,
    },
    /// [`Choice::Auto`] chose the processor.
    ChoseCpu {
        /// Why, one reason per GPU.
        reasons: Vec<String>,
    },
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remark::SoftwareGpu { name } => {
                write!(f, "{name} is a software GPU, for tests: the processor computes the same, much faster")
            }
            Remark::ChoseGpu { name, kind } => write!(f, "computing on {name} ({kind})"),
            Remark::ChoseCpu { reasons } => {
                write!(f, "computing on the processor, since {}", reasons.join("; "))
            }
        }
    }
}

/// Evaluates an expression with the backend of a [`Device`](crate::device::Device), whichever it is. The
/// expression is compiled once for each backend.
#[cfg(feature = "gpu")]
#[macro_export]
macro_rules! on_device {
    ($device:expr, $backend:ident => $work:expr) => {
        match $device {
            $crate::device::Device::Cpu($backend) => $work,
            $crate::device::Device::Gpu($backend) => $work,
        }
    };
}

/// Evaluates an expression with the backend of a [`Device`](crate::device::Device), whichever it is. The
/// expression is compiled once for each backend.
#[cfg(not(feature = "gpu"))]
#[macro_export]
macro_rules! on_device {
    ($device:expr, $backend:ident => $work:expr) => {
        match $device {
            $crate::device::Device::Cpu($backend) => $work,
        }
    };
}

impl Choice {
    /// Opens the device. There is no fallback: only [`Choice::Auto`] chooses, and returns a remark that says
    /// so.
    ///
    /// # Errors
    /// When there is no such device, it cannot be opened, or `PELK_SIMD` names instructions that the
    /// processor lacks.
    pub fn open(&self) -> Result<Opened> {
        match self {
            Choice::Cpu => cpu(Vec::new()),
            Choice::Gpu(wanted) => gpu(wanted.as_deref()),
            Choice::Auto => automatic(),
        }
    }
}

fn cpu(remarks: Vec<Remark>) -> Result<Opened> {
    Ok(Opened { device: Device::Cpu(CpuBackend::new()?), remarks })
}

#[cfg(feature = "gpu")]
fn gpu(wanted: Option<&str>) -> Result<Opened> {
    let adapter = match wanted {
        Some(wanted) => Adapter::matching(wanted),
        None => Adapter::best(),
    };
    let gpu = Gpu::open(&adapter?, Options::default())?;
    let software = gpu.kind() == AdapterKind::Software;
    let remarks = software.then(|| Remark::SoftwareGpu { name: gpu.name().to_owned() });
    Ok(Opened { device: Device::Gpu(GpuBackend::new(gpu)), remarks: remarks.into_iter().collect() })
}

#[cfg(not(feature = "gpu"))]
fn gpu(_wanted: Option<&str>) -> Result<Opened> {
    Err(Error::NoGpuSupport)
}

#[cfg(feature = "gpu")]
fn automatic() -> Result<Opened> {
    match Adapter::all() {
        Ok(adapters) => first_hardware(&adapters),
        Err(error) => cpu(vec![Remark::ChoseCpu { reasons: vec![Error::from(error).to_string()] }]),
    }
}

#[cfg(not(feature = "gpu"))]
fn automatic() -> Result<Opened> {
    cpu(vec![Remark::ChoseCpu { reasons: vec![Error::NoGpuSupport.to_string()] }])
}

/// The first hardware GPU that opens, else the processor.
#[cfg(feature = "gpu")]
fn first_hardware(adapters: &[Adapter]) -> Result<Opened> {
    let mut reasons = Vec::new();
    for adapter in adapters {
        if adapter.kind() == AdapterKind::Software {
            reasons.push(format!("{} is a software GPU", adapter.name()));
            continue;
        }
        match Gpu::open(adapter, Options::default()) {
            Ok(gpu) => {
                let remark = Remark::ChoseGpu { name: gpu.name().to_owned(), kind: gpu.kind().to_string() };
                return Ok(Opened { device: Device::Gpu(GpuBackend::new(gpu)), remarks: vec![remark] });
            }
            Err(error) => reasons.push(error.to_string()),
        }
    }
    if adapters.is_empty() {
        reasons.push(Error::from(GpuError::NoAdapter).to_string());
    }
    cpu(vec![Remark::ChoseCpu { reasons }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_parsed_and_printed() {
        for text in ["cpu", "gpu", "gpu:0", "gpu:radeon 780m", "auto"] {
            assert_eq!(text.parse::<Choice>().unwrap().to_string(), text);
        }
        for text in ["", "gpu:", "GPU", "cuda", "cpu:0", "auto:1"] {
            assert!(text.parse::<Choice>().unwrap_err().to_string().contains("gpu:NUMBER"), "{text}");
        }
    }

    #[cfg(feature = "gpu")]
    #[test]
    fn without_a_hardware_gpu_the_automatic_choice_is_the_processor() {
        let all = Adapter::all().unwrap_or_default().into_iter();
        let software: Vec<_> = all.filter(|adapter| adapter.kind() == AdapterKind::Software).collect();
        for adapters in [Vec::new(), software] {
            let Opened { device, remarks } = first_hardware(&adapters).unwrap();
            assert!(matches!(device, Device::Cpu(_)));
            let [Remark::ChoseCpu { reasons }] = &remarks[..] else { panic!("{remarks:?}") };
            assert_eq!(reasons.len(), adapters.len().max(1));
        }
    }
}
