//! The device that a command computes on.

use crate::output::note;
use anyhow::Result;
use pelk_autodiff::device::{Opened, Remark};

pub use pelk_autodiff::device::{Choice, Device};
pub use pelk_autodiff::on_device;

/// The argument that chooses the device.
#[derive(Debug, Clone, clap::Args)]
pub struct DeviceArgs {
    /// What to compute on: cpu, gpu, gpu:NAME or gpu:NUMBER of `pelk devices`, or auto (a hardware GPU if
    /// there is one, else cpu)
    #[arg(long, value_name = "DEVICE", default_value_t = Choice::Cpu)]
    pub device: Choice,
}

impl DeviceArgs {
    /// Opens the device and prints the remarks about it.
    ///
    /// # Errors
    /// When there is no such device, or it cannot be opened.
    pub fn open(&self) -> Result<Device> {
        open(&self.device)
    }
}

/// Opens a device and prints the remarks about it.
///
/// # Errors
/// When there is no such device, or it cannot be opened.
pub fn open(choice: &Choice) -> Result<Device> {
    let Opened { device, remarks } = choice.open()?;
    for remark in remarks {
        match remark {
            Remark::SoftwareGpu { name } => {
                note!(
                    "{name} is a software GPU, for tests: --device cpu computes the same, many times as fast."
                );
            }
            remark => note!("--device {choice}: {remark}."),
        }
    }
    Ok(device)
}
