//! The built-in presets, one TOML file each. To add one, add a file to `presets` and a line here.

use crate::config::TrainConfig;
use crate::error::{Result, TrainError};
use std::path::Path;

/// A named configuration.
pub struct Preset {
    /// Its name on the command line.
    pub name: &'static str,
    /// The configuration, as TOML.
    pub text: &'static str,
}

macro_rules! presets {
    ($($name:literal),+) => {
        &[$(Preset { name: $name, text: include_str!(concat!("../presets/", $name, ".toml")) }),+]
    };
}

/// All presets; the first is the default.
pub const PRESETS: &[Preset] = presets![
    "fashion-mnist",
    "fashion-mnist-long",
    "cifar10",
    "folder",
    "long-range",
    "scenes",
    "scenes-detection",
    "imagenet-pelk-t",
    "imagenet-pelk-s",
    "imagenet-pelk-b",
    "imagenet-pelk-b-101",
    "imagenet-pelk-b-384",
    "imagenet-pelk-b-101-384",
    "ade20k-pelk-t",
    "ade20k-pelk-s",
    "ade20k-pelk-b",
    "ade20k-pelk-b-101",
    "coco-pelk-t",
    "coco-pelk-s",
    "coco-pelk-b",
    "coco-pelk-b-101",
    "coco-convnext-t"
];

/// The configuration from a file or a preset (the first by default) with `key.path=value` settings, and its
/// name.
///
/// # Errors
/// When there is no such preset or file, or a key or value is wrong.
pub fn configuration(
    preset: Option<&str>,
    file: Option<&Path>,
    settings: &[String],
) -> Result<(String, TrainConfig)> {
    let (name, origin, text) = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|source| TrainError::read(path, source))?;
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (stem, path.display().to_string(), text)
        }
        None => {
            let preset = find(preset.unwrap_or(PRESETS[0].name))?;
            (preset.name.to_owned(), format!("preset {}", preset.name), preset.text.to_owned())
        }
    };
    Ok((name, TrainConfig::parse(&origin, &text, settings)?))
}

/// The names of all presets, for help texts.
pub fn names() -> String {
    PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ")
}

/// The preset called `name`.
///
/// # Errors
/// When there is no such preset; the message names the nearest one.
pub fn find(name: &str) -> Result<&'static Preset> {
    if let Some(preset) = PRESETS.iter().find(|preset| preset.name == name) {
        return Ok(preset);
    }
    let nearest = pelk_models::nearest(name, PRESETS.iter().map(|preset| preset.name)).unwrap_or_default();
    Err(TrainError::UnknownPreset { name: name.to_owned(), nearest: nearest.to_owned(), known: names() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_a_valid_configuration() {
        for preset in PRESETS {
            let config = TrainConfig::parse(preset.name, preset.text, &[]).unwrap();
            pelk_models::zoo::configure(&config.model, 1, 10).unwrap();
        }
    }

    #[test]
    fn a_misspelled_preset_gets_the_nearest_name() {
        let message = find("fashion-mnits").err().unwrap().to_string();
        assert!(message.contains("\"fashion-mnist\"?"), "{message}");
    }
}
