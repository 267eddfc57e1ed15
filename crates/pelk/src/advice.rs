//! Advice on errors from the libraries, which do not know this program's options and commands.

use pelk_ablation::AblationError;
use pelk_autodiff::Error;
use pelk_data::{DataError, PictureError};
use pelk_models::ModelError;
use pelk_train::TrainError;
use pelk_wgpu::GpuError;

/// What the user can do about an error; `None` if no option or command helps.
pub fn advice(error: &anyhow::Error) -> Option<String> {
    // An error that another one wraps transparently is not in the chain; only the wrapper is.
    let advice = |cause: &(dyn std::error::Error + 'static)| {
        if let Some(error) = cause.downcast_ref() {
            train(error)
        } else if let Some(error) = cause.downcast_ref() {
            model(error)
        } else if let Some(error) = cause.downcast_ref() {
            operator(error)
        } else if let Some(error) = cause.downcast_ref() {
            ablation(error)
        } else if let Some(error) = cause.downcast_ref() {
            data(error)
        } else {
            gpu(cause.downcast_ref()?)
        }
    };
    let key = || {
        let key = key_of(error.chain().find_map(field)?)?;
        Some(format!("the configuration key is {key}"))
    };
    error.chain().find_map(advice).map(str::to_owned).or_else(key)
}

/// The field of the library that an error is about.
fn field(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    let data = match cause.downcast_ref() {
        Some(TrainError::Data(error)) => Some(error),
        _ => match cause.downcast_ref() {
            Some(AblationError::Run { source: TrainError::Data(error), .. }) => Some(error),
            Some(AblationError::Train(TrainError::Data(error))) => Some(error),
            _ => cause.downcast_ref(),
        },
    };
    match data? {
        DataError::Config { field, .. } => Some(field),
        _ => None,
    }
}

/// The configuration key of a field of the library, if it has one.
fn key_of(field: &str) -> Option<String> {
    /// Where the library's configurations are, which have no fields of the same name.
    const TABLES: [&str; 5] = ["data.augmentation.", "data.mix.", "data.scenes.", "data.objects.", "data."];
    if field == "batch_size" {
        return Some("batch.size".to_owned());
    }
    let keys = pelk_train::keys();
    let mut paths = TABLES.iter().map(|table| format!("{table}{field}"));
    paths.find(|path| keys.iter().any(|key| key.path == *path))
}

fn train(error: &TrainError) -> Option<&'static str> {
    match error {
        TrainError::RunExists { .. } => {
            Some("add --resume to continue this run, or choose another --out folder")
        }
        TrainError::InUse { .. } => {
            Some("wait until that run ends, or stop it; a new run can use another --out folder")
        }
        TrainError::NotFinite { saved: Some(_), .. } => {
            Some("`--resume` continues from that checkpoint, with the settings in the run's config.toml")
        }
        TrainError::RunFolder { .. } => Some("choose another --out folder"),
        TrainError::NoRun { .. } => {
            Some("start a run without --resume, or name the folder of a run with --out")
        }
        TrainError::Model(error) => model(error),
        TrainError::Data(error) => data(error),
        _ => None,
    }
}

fn model(error: &ModelError) -> Option<&'static str> {
    match error {
        ModelError::Operator(error) => operator(error),
        _ => None,
    }
}

fn operator(error: &Error) -> Option<&'static str> {
    match error {
        Error::Gpu(error) => gpu(error),
        Error::NoFloat16 { .. } => Some("set batch.float16 = false, or add --device gpu"),
        _ => None,
    }
}

fn gpu(error: &GpuError) -> Option<&'static str> {
    match error {
        GpuError::NoAdapter => Some(
            "install the GPU vendor's driver (on Debian, mesa-vulkan-drivers also has a software adapter), \
             or add --device cpu",
        ),
        GpuError::NoDrivers => {
            Some("build pelk without --no-default-features, or with --features drivers; or add --device cpu")
        }
        GpuError::NoFloat16 { .. } => Some("set batch.float16 = false"),
        GpuError::Lost { .. } => Some(
            "continue from the last checkpoint with --resume; if it happens again, make batch.size smaller",
        ),
        GpuError::OutOfMemory { .. } => Some(
            "make batch.size smaller (with batch.accumulation larger for the same result), or set \
             batch.recompute = true; commands with --batch need a smaller one",
        ),
        GpuError::TooLarge { .. } => Some("use smaller images or a smaller batch"),
        _ => None,
    }
}

fn ablation(error: &AblationError) -> Option<&'static str> {
    match error {
        AblationError::OtherSweep { .. } => {
            Some("choose another --out folder, or add --resume to continue the sweep that is there")
        }
        AblationError::NoArms { .. } => Some("choose one of these tasks with --task"),
        AblationError::Run { source, .. } | AblationError::Train(source) => train(source),
        _ => None,
    }
}

fn data(error: &DataError) -> Option<&'static str> {
    match error {
        DataError::Picture(PictureError::PartnerSize { turned: true, .. }) => {
            Some("the configuration key is data.exif: --set data.exif=apply turns images upright")
        }
        DataError::Picture(_) => Some("`pelk data check DIR` lists all such files"),
        DataError::UnknownDataset { .. } => Some("the configuration key is data.dataset"),
        DataError::Layout { path, problem, .. }
            if path.extension().is_some_and(|ending| ending == "json")
                && problem.starts_with("is missing") =>
        {
            Some("name annotation files of other names with --annotations FILE")
        }
        DataError::AmbiguousIdx { .. } => Some("use --task mnist or --task fashion-mnist"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use pelk_train::TrainConfig;
    use std::collections::BTreeSet;

    #[test]
    fn advice_is_found_behind_any_context() {
        let error = || TrainError::RunExists { folder: "runs/x".into() };
        let wrapped = Err::<(), _>(error()).context("above").context("further above").unwrap_err();
        for error in [error().into(), wrapped] {
            assert!(advice(&error).unwrap().contains("--resume"));
        }
        assert_eq!(advice(&anyhow::anyhow!("another")), None);
    }

    #[test]
    fn advice_is_found_in_an_error_that_others_wrap() {
        let error = || GpuError::OutOfMemory { adapter: "card".to_owned(), bytes: 2, in_use: 1 };
        let model = || ModelError::Operator(Error::Gpu(error()));
        for error in [
            error().into(),
            Error::Gpu(error()).into(),
            model().into(),
            anyhow::Error::from(TrainError::Model(model())).context("above"),
        ] {
            assert!(advice(&error).unwrap().contains("batch.size"));
        }
    }

    #[test]
    fn a_build_without_drivers_is_told_how_to_get_them() {
        let error = Error::Gpu(GpuError::NoDrivers);
        assert!(advice(&error.into()).unwrap().contains("--features drivers"));
    }

    #[test]
    fn a_device_without_16_bit_floats_names_the_key() {
        let error = Error::NoFloat16 { backend: "cpu".to_owned() };
        assert!(advice(&error.into()).unwrap().contains("batch.float16 = false"));
    }

    #[test]
    fn advice_on_data_is_found_behind_training() {
        let error = || DataError::AmbiguousIdx { folder: "x".into() };
        for error in [error().into(), TrainError::from(error()).into()] {
            assert_eq!(advice(&error).unwrap(), "use --task mnist or --task fashion-mnist");
        }
    }

    #[test]
    fn every_field_of_a_dataset_s_configuration_is_that_of_a_key() {
        // Any value of their type is accepted, or what is wrong depends on the data.
        const FREE: [&str; 6] = [
            "data.annotations",
            "data.augmentation.crop_padding",
            "data.canvases.seed",
            "data.canvases.test",
            "data.canvases.train",
            "data.objects.min_side",
        ];
        let text = "model.name = \"pelk_atto\"\ndata.dataset = \"mnist\"";
        let values = ["0", "100000", "-0.5", "1e9", "[9, 1]", "[9.5, 1.5]", "[100000, 1]"];
        let (mut named, mut all) = (BTreeSet::new(), BTreeSet::new());
        for key in pelk_train::keys().into_iter().filter(|key| key.path.starts_with("data.")) {
            if matches!(key.kind.to_string().split(' ').next(), Some("a")) && !key.is_table() {
                all.insert(key.path.clone());
            }
            for value in values {
                let setting = [format!("{}={value}", key.path)];
                let Err(error) = TrainConfig::parse("x", text, &setting) else { continue };
                if let TrainError::Data(DataError::Config { field, .. }) = error {
                    let path = key_of(field).unwrap_or_else(|| panic!("{setting:?}: no key of {field}"));
                    // Another key may not go with the value.
                    if path.ends_with(field) && path.starts_with(&key.path) {
                        named.insert(path);
                    }
                }
            }
        }
        let silent: Vec<&String> = all.difference(&named).collect();
        assert_eq!(silent, FREE);
        let error = TrainConfig::parse("x", text, &["data.mix.probability=2".to_owned()]).unwrap_err();
        let told = advice(&anyhow::Error::from(error).context("above")).unwrap();
        assert_eq!(told, "the configuration key is data.mix.probability");
    }

    #[test]
    fn fields_that_depend_on_the_data_have_a_key_too() {
        for (field, key) in [
            ("batch_size", Some("batch.size")),
            ("canvases", Some("data.canvases")),
            ("crop_padding", Some("data.augmentation.crop_padding")),
            ("annotations", Some("data.annotations")),
            ("evaluation", Some("data.evaluation")),
            ("resized_crop", Some("data.augmentation.resized_crop")),
            ("rand_augment", Some("data.augmentation.rand_augment")),
            ("multiscale", Some("data.augmentation.multiscale")),
            ("photometric", Some("data.augmentation.photometric")),
            ("size_divisor", Some("data.objects.size_divisor")),
            ("mean", None),
            ("start_batch", None),
        ] {
            assert_eq!(key_of(field).as_deref(), key, "{field}");
        }
        let error = pelk_data::steps_per_epoch(10, 12, true).unwrap_err();
        assert!(!error.to_string().contains("drop_last"), "{error}");
        assert!(advice(&TrainError::from(error).into()).unwrap().ends_with("batch.size"));
    }

    #[test]
    fn a_lost_device_is_no_reason_to_start_over() {
        let error = GpuError::Lost { adapter: "card".to_owned(), reason: "reset".to_owned() };
        let error = anyhow::Error::from(TrainError::Model(ModelError::Operator(Error::Gpu(error))));
        assert!(advice(&error).unwrap().contains("last checkpoint with --resume"));
    }
}
