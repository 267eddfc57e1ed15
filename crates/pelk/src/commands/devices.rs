//! `pelk devices`

use crate::output::say;
use anyhow::Result;
use pelk_simd::Level;
use pelk_wgpu::{Adapter, Gpu, GpuError, Options};

/// List the CPU and the GPUs that --device accepts
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  pelk train --device gpu:0")]
pub struct DevicesArgs {}

/// Runs the command.
///
/// # Errors
/// When `PELK_SIMD` names a level that the CPU does not have.
pub fn run(_: &DevicesArgs) -> Result<()> {
    say!("cpu\n  instructions  {} (best available: {})", Level::from_env()?, Level::best());
    say!("  threads       {}", rayon::current_num_threads());
    match Adapter::all() {
        Ok(adapters) if adapters.is_empty() => say!("\nNo GPU: {}.", GpuError::NoAdapter),
        Ok(adapters) => {
            for (i, adapter) in adapters.iter().enumerate() {
                say!("\ngpu:{i}\n{}", describe(adapter));
            }
        }
        Err(error) => say!("\nNo GPU: {error}."),
    }
    Ok(())
}

fn describe(adapter: &Adapter) -> String {
    let yes = |has: bool| if has { "yes" } else { "no" }.to_owned();
    let mut rows = vec![
        ("name", adapter.name().to_owned()),
        ("kind", adapter.kind().to_string()),
        ("interface", adapter.backend().to_owned()),
        ("driver", adapter.driver()),
        (
            "opens",
            match Gpu::open(adapter, Options::default()) {
                Ok(_) => "yes".to_owned(),
                Err(error) => format!("no: {error}"),
            },
        ),
        ("float16 storage", yes(adapter.has_float16())),
        (
            "subgroups",
            match adapter.subgroups() {
                Some((least, most)) if least == most => format!("{least} threads"),
                Some((least, most)) => format!("{least} to {most} threads"),
                None => "no".to_owned(),
            },
        ),
        ("timestamps", yes(adapter.has_timestamps())),
    ];
    rows.extend(adapter.limits().map(|(name, value)| (name, value.to_string())));
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = rows.into_iter().map(|(name, value)| format!("  {name:width$}  {value}"));
    lines.collect::<Vec<_>>().join("\n")
}
