//! The device that a command computes on.

use crate::output::note;
use anyhow::Result;
use pelk_autodiff::{CpuBackend, GpuBackend};
use pelk_wgpu::{Adapter, AdapterKind, Gpu, GpuError, Options};
use std::fmt;
use std::str::FromStr;

/// The argument by which a command is told.
#[derive(Debug, Clone, clap::Args)]
pub struct DeviceArgs {
    /// What to compute on: cpu, gpu, gpu:NAME or gpu:NUMBER of `pelk devices`, or auto (a GPU that is none in
    /// software, where there is one; else cpu)
    #[arg(long, value_name = "DEVICE", default_value_t = Choice::Cpu)]
    pub device: Choice,
}

/// What a user asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The processor.
    Cpu,
    /// A GPU: the best one, or that with a number or a part of its name.
    Gpu(Option<String>),
    /// What works.
    Auto,
}

impl FromStr for Choice {
    type Err = String;
    fn from_str(text: &str) -> Result<Choice, String> {
        match text.split_once(':') {
            Some(("gpu", wanted)) if !wanted.is_empty() => Ok(Choice::Gpu(Some(wanted.to_owned()))),
            None if text == "cpu" => Ok(Choice::Cpu),
            None if text == "gpu" => Ok(Choice::Gpu(None)),
            None if text == "auto" => Ok(Choice::Auto),
            _ => Err("must be cpu, gpu, gpu:NAME, gpu:NUMBER or auto".to_owned()),
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

/// An open device.
#[derive(Debug, Clone)]
pub enum Device {
    /// The processor.
    Cpu(CpuBackend),
    /// A GPU.
    Gpu(GpuBackend),
}

/// Evaluates an expression of the backend of a device, whichever it is.
macro_rules! on_device {
    ($device:expr, $backend:ident => $work:expr) => {
        match $device {
            $crate::device::Device::Cpu($backend) => $work,
            $crate::device::Device::Gpu($backend) => $work,
        }
    };
}
pub(crate) use on_device;

impl Choice {
    /// Opens the device. Nothing else takes its place: only `auto` chooses, and says what.
    ///
    /// # Errors
    /// When there is none, or it cannot be opened.
    pub fn open(&self) -> Result<Device> {
        match self {
            Choice::Cpu => Ok(Device::Cpu(CpuBackend::new()?)),
            Choice::Gpu(wanted) => {
                let adapter = match wanted {
                    Some(wanted) => Adapter::matching(wanted),
                    None => Adapter::best(),
                };
                open(&adapter?)
            }
            Choice::Auto => automatic(&Adapter::all()),
        }
    }
}

fn open(adapter: &Adapter) -> Result<Device> {
    let gpu = Gpu::open(adapter, Options::default())?;
    if gpu.kind() == AdapterKind::Software {
        note!(
            "{} is a GPU in software, for tests: --device cpu computes the same, many times as fast.",
            gpu.name()
        );
    }
    Ok(Device::Gpu(GpuBackend::new(gpu)))
}

/// The first GPU that is one and opens, else the processor.
fn automatic(adapters: &[Adapter]) -> Result<Device> {
    let mut reasons = Vec::new();
    for adapter in adapters {
        if adapter.kind() == AdapterKind::Software {
            reasons.push(format!("{} is a GPU in software", adapter.name()));
            continue;
        }
        match Gpu::open(adapter, Options::default()) {
            Ok(gpu) => {
                note!("--device auto: computing on {} ({}).", gpu.name(), gpu.kind());
                return Ok(Device::Gpu(GpuBackend::new(gpu)));
            }
            Err(error) => reasons.push(error.to_string()),
        }
    }
    if adapters.is_empty() {
        reasons.push(GpuError::NoAdapter.to_string());
    }
    note!("--device auto: computing on the processor, since {}.", reasons.join("; "));
    Ok(Device::Cpu(CpuBackend::new()?))
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
            assert!(text.parse::<Choice>().unwrap_err().contains("gpu:NUMBER"), "{text}");
        }
    }

    #[test]
    fn without_a_gpu_the_automatic_choice_is_the_processor() {
        assert!(matches!(automatic(&[]).unwrap(), Device::Cpu(_)));
        let software: Vec<_> =
            Adapter::all().into_iter().filter(|adapter| adapter.kind() == AdapterKind::Software).collect();
        assert!(matches!(automatic(&software).unwrap(), Device::Cpu(_)));
    }
}
