//! Checks that a configuration fits its data, and derives what follows from both.

use crate::config::TrainConfig;
use crate::error::{Result, TrainError};
use crate::loading::Datasets;
use crate::optimizer::Algorithm;
use pelk_data::{Dataset, Labeling};
use pelk_models::cost::training_pass;
use pelk_models::{Head, Network, zoo};
use std::sync::Arc;

/// Values derived from a configuration and its data.
pub(super) struct Fit {
    pub network: Network,
    /// Height, width and channels of the images of a batch.
    pub image: [usize; 3],
    pub steps_per_epoch: u64,
    /// One per class if the dataset has a background class, else empty.
    pub class_weights: Arc<[f32]>,
}

impl Fit {
    /// Checks everything that can be checked before the first step.
    pub fn new(config: &TrainConfig, datasets: &Datasets) -> Result<Fit> {
        let image = image_of(config, datasets)?;
        let network = network(config, datasets, image)?;
        check_places(config, datasets, &network, image)?;
        check_norms(config, &network, image)?;
        let steps_per_epoch = steps(config, datasets)?;
        datasets.train.statistics().validate(image[2])?;
        let classes = datasets.train.classes().len() as u32;
        let weights = |background| {
            let weight = |class| if class == background { config.loss.background_weight } else { 1.0 };
            (0..classes).map(weight).collect()
        };
        let class_weights = datasets.train.background().map(weights).unwrap_or_default();
        Ok(Fit { network, image, steps_per_epoch, class_weights })
    }
}

fn network(
    config: &TrainConfig,
    datasets: &Datasets,
    [height, width, channels]: [usize; 3],
) -> Result<Network> {
    let mut network = zoo::configure(&config.model, channels, datasets.train.classes().len())?;
    let squares = matches!(datasets.train.labeling(), Labeling::Pixels { .. });
    if network.head == Head::Pooled && squares {
        network.head = Head::Dense;
    }
    let network = Network::new(network)?;
    let smallest = network.config().smallest_input();
    if height.min(width) < smallest {
        let reason = format!(
            "{} needs images of at least {smallest} x {smallest} pixels, but they have {height} x {width}",
            config.model.name
        );
        return Err(TrainError::value("model.name", reason));
    }
    if let Some(evaluation) = &config.data.evaluation
        && evaluation.size < smallest
    {
        let (size, name) = (evaluation.size, &config.model.name);
        let reason = format!("is {size}, but {name} needs images of at least {smallest} x {smallest} pixels");
        return Err(TrainError::value("data.evaluation.size", reason));
    }
    Ok(network)
}

/// Checks that the network predicts as many positions as there are labels.
fn check_places(
    config: &TrainConfig,
    datasets: &Datasets,
    network: &Network,
    [height, width, _]: [usize; 3],
) -> Result<()> {
    let labeling = datasets.train.labeling();
    let detects = matches!(network.config().head, Head::CascadeMaskRcnn(_));
    if detects != (labeling == Labeling::Objects) {
        let dataset = &config.data.dataset;
        let reason = match detects {
            true => format!("makes a detector, but images of {dataset} have no objects: leave it out"),
            false => format!("is missing, but images of {dataset} have objects: set model.cascade={{}}"),
        };
        return Err(TrainError::value("model.cascade", reason));
    }
    if detects {
        return Ok(());
    }
    let map = &network.output_shape([height, width])?[1..3];
    let labels = labeling.size([height, width]);
    if map != labels {
        let (key, remedy) = match (labeling, &network.config().head) {
            (Labeling::Image, _) => ("model.upernet", "leave it out, since each image has one class"),
            (_, Head::UperNet(_)) => ("model.upernet", "leave it out, since labels are coarser than pixels"),
            (Labeling::Pixels { stride: 1 }, _) => {
                ("model.upernet", "set it, for instance model.upernet.channels=64")
            }
            _ => ("model.stem_stride", "change it or the number of stages"),
        };
        let reason = format!(
            "the network predicts a map of {map:?} (rows, columns), but images of {} have {labels:?} labels: \
             {remedy}",
            config.data.dataset
        );
        return Err(TrainError::value(key, reason));
    }
    Ok(())
}

/// Checks that each BatchNorm has more than one value per channel of a batch, as PyTorch does; one value has
/// no variance.
fn check_norms(config: &TrainConfig, network: &Network, [height, width, _]: [usize; 3]) -> Result<()> {
    let pass = training_pass(network, [height, width], config.batch.recompute)?;
    let Some((name, values)) = pass.smallest_norm else { return Ok(()) };
    if values.saturating_mul(config.batch.size) > 1 {
        return Ok(());
    }
    let pools = match &network.config().head {
        Head::UperNet(head) if head.pools.contains(&1) => ", or leave 1 out of model.upernet.pools",
        _ => "",
    };
    let reason = format!(
        "is 1, but at {height} x {width} pixels the BatchNorm {name} has one value per channel of an image, \
         which it cannot normalize: use 2 or more images or larger ones{pools}"
    );
    Err(TrainError::value("batch.size", reason))
}

/// The least memory, in bytes, in which a run can train: the parameters with what the optimizer and the
/// average keep of each, and what a pass keeps of its images for the gradients. A run needs more at times;
/// finding this allocates nothing.
///
/// # Errors
/// When the configuration is not valid, or does not fit the data.
pub fn least_memory(config: &TrainConfig, datasets: &Datasets) -> Result<u64> {
    let Fit { network, image: [height, width, _], .. } = Fit::new(config, datasets)?;
    let pass = training_pass(&network, [height, width], config.batch.recompute)?;
    let of_a_number = if config.batch.float16 { 2 } else { 4 };
    let images = pass.kept.saturating_mul(config.batch.size as u64).saturating_mul(of_a_number);
    // The value, its gradient, the optimizer's moments, and the average.
    let moments = match config.optimizer.algorithm {
        Algorithm::AdamW => 2,
        Algorithm::Sgd => 1,
    };
    let copies = 2 + moments + u64::from(config.ema.is_on());
    Ok(images.saturating_add((network.trained_values()? as u64).saturating_mul(4 * copies)))
}

/// The largest batch of a set that has fewer images with objects than that.
const MOST_REPEATED: usize = 1024;

/// Steps per epoch.
fn steps(config: &TrainConfig, datasets: &Datasets) -> Result<u64> {
    let train = &*datasets.train;
    let (size, images) = (config.batch.size, train.len());
    // Images with objects are repeated to fill a batch, which must not be without end.
    let most = if train.labeling() == Labeling::Objects { images.max(MOST_REPEATED) } else { images };
    if size > most {
        let reason = format!("is {size}, but there are only {images} training images: make it smaller");
        return Err(TrainError::value("batch.size", reason));
    }
    let passes = config.data.training_loading(train, config.batch.size, [0, 0]).plan(train)?.steps();
    let steps = passes / config.batch.accumulation;
    if steps == 0 {
        let reason = format!(
            "is {} with batch.size {}: the {} training images make {passes} passes, less than one step",
            config.batch.accumulation, config.batch.size, images
        );
        return Err(TrainError::value("batch.accumulation", reason));
    }
    config.schedule.validate_for(steps as u64)?;
    Ok(steps as u64)
}

/// Height, width and channels of the images of a batch.
fn image_of(config: &TrainConfig, datasets: &Datasets) -> Result<[usize; 3]> {
    let Datasets { train, test } = datasets;
    let differ = |what: &str, train: String, test: String| {
        let reason =
            format!("training images have {what} {train}, but test images {test}; they must be equal");
        Err(TrainError::value("data.dataset", reason))
    };
    if test.channels() != train.channels() {
        return differ("channels", train.channels().to_string(), test.channels().to_string());
    }
    if test.labeling() != train.labeling() {
        return differ("labels", format!("{:?}", train.labeling()), format!("{:?}", test.labeling()));
    }
    let evaluation = &config.data.evaluation;
    if let Some(evaluation) = evaluation {
        evaluation.validate_for(test.channels(), test.labeling())?;
    }
    let sized = matches!(train.labeling(), Labeling::Pixels { stride: 1 } | Labeling::Objects);
    let any_size = evaluation.is_some() || sized;
    if !any_size && test.image_size() != train.image_size() {
        let size = |data: &Arc<dyn Dataset>| {
            data.image_size().map_or("that vary".into(), |size| format!("{size:?}"))
        };
        return differ("height and width", size(train), size(test));
    }
    if test.classes() != train.classes() {
        return differ("classes", format!("{:?}", train.classes()), format!("{:?}", test.classes()));
    }
    let augmentation = &config.data.augmentation;
    augmentation.validate_for(train.image_size(), train.channels(), train.labeling())?;
    let size = config.batch.size;
    if config.data.mix.is_on() && !size.is_multiple_of(2) {
        let reason = format!(
            "is {size}, but must be even for data.mix, which would leave the image in the middle without a \
             partner"
        );
        return Err(TrainError::value("batch.size", reason));
    }
    config.data.mix.validate_for(size, train.labeling())?;
    if train.labeling() == Labeling::Objects {
        let size = object_image_size(config, &**train);
        return Ok([size[0], size[1], train.channels()]);
    }
    let [height, width] = augmentation.output_size(train.image_size()).ok_or_else(|| {
        let reason = "is 0, but the training images differ in size: set the size of a crop";
        TrainError::value("data.augmentation.crop_size", reason)
    })?;
    Ok([height, width, train.channels()])
}

/// Height and width of a typical image of a detector, whose images differ in size: what evaluation resizes a
/// wide one to, else the size of the first.
fn object_image_size(config: &TrainConfig, train: &dyn Dataset) -> [usize; 2] {
    match &config.data.evaluation {
        Some(evaluation) => [evaluation.fit[1], evaluation.fit[0]],
        None => train.image_size().or_else(|| train.sample_size(0)).unwrap_or_default(),
    }
}
