//! Whose classes are these: data are compared with a network by name, and a run continues on its own data only.

use crate::common::{config, datasets, images, message_of, train, trainer_on};
use ndarray::ArrayD;
use pelk_autodiff::CpuBackend;
use pelk_data::{Dataset, ImageDataset, LoaderConfig, Relabeled};
use pelk_train::{
    Checkpoint, Datasets, Description, Evaluation, EvaluationTask, LabelEvaluation, Trained, evaluate,
    for_network, network_alone,
};
use std::sync::Arc;

/// The test images with their classes under other numbers: class `i` of the run is `order[i]` here. Classes
/// that are not in `order` are left out, with their images.
fn reordered(order: &[(&str, u32)], classes: &[&str]) -> Arc<ImageDataset> {
    let set = images([12, 10], 17, 2);
    let new = |label: u32| {
        let name = &set.classes()[label as usize];
        order.iter().find(|(other, _)| other == name).map(|(_, number)| *number)
    };
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for index in 0..set.len() {
        if let Some(label) = new(set.label(index)) {
            pixels.extend(set.image(index));
            labels.push(label);
        }
    }
    let classes = classes.iter().map(|&name| name.to_owned()).collect();
    Arc::new(ImageDataset::new("other", [12, 10, 1], pixels, labels, classes).unwrap())
}

/// The results of a network on data that were made to fit it.
fn measured(trained: &Trained<CpuBackend>, data: Arc<dyn Dataset>) -> pelk_train::Result<LabelEvaluation> {
    let backend = CpuBackend::new().unwrap();
    let dataset = for_network(&trained.description, data)?;
    let normalization = trained.description.normalization.clone();
    let loading = LoaderConfig::evaluation(&*dataset, None, 5, normalization);
    let Trained { network, parameters, description } = trained;
    let task = EvaluationTask { backend: &backend, network, parameters, dataset, loading };
    match evaluate(task, &description.inference, |_| true)? {
        Evaluation::Labels(labels) => Ok(labels),
        Evaluation::Objects(_) => panic!("a classifier"),
    }
}

#[test]
fn classes_in_any_order_and_a_part_of_them_are_measured_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = train(config(&[]), folder.path(), 12);
    let backend = CpuBackend::new().unwrap();
    let trained = Trained::read(&backend, &recorder.last(), false).unwrap();
    let plain = measured(&trained, images([12, 10], 17, 2)).unwrap();
    assert_eq!(plain.confusion.total(), 17);
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut names = [""; 3];
        let pairs = ["row", "column", "corner"].into_iter().zip(order).collect::<Vec<_>>();
        pairs.iter().for_each(|&(name, number)| names[number as usize] = name);
        assert_eq!(measured(&trained, reordered(&pairs, &names)).unwrap(), plain, "{order:?}");
    }
    let part = measured(&trained, reordered(&[("corner", 0), ("column", 1)], &["corner", "column"])).unwrap();
    for class in [1, 2] {
        assert_eq!(part.confusion.recall(class), plain.confusion.recall(class));
    }
    assert_eq!((part.confusion.labels(0), part.confusion.recall(0)), (0, None));
}

#[test]
fn other_data_are_refused_with_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = train(config(&[]), folder.path(), 1);
    let backend = CpuBackend::new().unwrap();
    let trained = Trained::read(&backend, &recorder.last(), false).unwrap();
    let refused = |data: Arc<dyn Dataset>, words: &[&str]| {
        let message = message_of(measured(&trained, data));
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    let order = [("row", 0), ("column", 1), ("corner", 2)];
    let both = "row, column, corner";
    refused(reordered(&order, &["row", "column", "edge"]), &["unknown to the network: edge)", both]);
    refused(reordered(&order, &["row", "column", "corner", "disc"]), &["corner, disc", both, ": disc)"]);
    refused(reordered(&order, &["0", "1", "2"]), &["0, 1, 2", both, "names"]);
    let classes = ["row", "column", "corner"].map(str::to_owned).to_vec();
    let colored = ImageDataset::new("rgb", [12, 10, 3], vec![9; 360], vec![0], classes).unwrap();
    refused(Arc::new(colored), &["the number of channels", "here 3", "in training 1"]);

    // Without the comparison, an evaluation still does not index outside of its table.
    let more = reordered(&order, &["row", "column", "corner", "disc"]);
    let loading = LoaderConfig::evaluation(&*more, None, 5, more.statistics().clone());
    let Trained { network, parameters, description } = &trained;
    let task = EvaluationTask { backend: &backend, network, parameters, dataset: more, loading };
    let message = message_of(evaluate(task, &description.inference, |_| true));
    assert!(message.contains("the number of classes: here 4; in training 3"), "{message}");
}

#[test]
fn a_run_resumes_on_its_own_data_only() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = train(config(&[]), folder.path(), 2);
    let read = || Checkpoint::read(&recorder.last()).unwrap();
    let resumed = |datasets: Datasets, checkpoint: Checkpoint| {
        trainer_on(datasets, config(&[])).restore(checkpoint, &recorder.last())
    };
    let renamed = |set: Arc<ImageDataset>, classes: &[&str]| -> Arc<dyn Dataset> {
        let pixels = (0..set.len()).flat_map(|index| set.image(index).to_vec()).collect();
        let labels = (0..set.len()).map(|index| set.label(index)).collect();
        let classes = classes.iter().map(|&name| name.to_owned()).collect();
        Arc::new(ImageDataset::new("other", set.shape(), pixels, labels, classes).unwrap())
    };
    let with = |classes: &[&str]| Datasets {
        train: renamed(images([12, 10], 53, 1), classes),
        test: renamed(images([12, 10], 17, 2), classes),
    };
    for (data, words) in [
        (with(&["row", "column", "edge"]), ["the classes", "first difference: edge"]),
        (with(&["column", "row", "corner"]), ["the classes", "row, column, corner"]),
        (with(&["row", "column", "corner", "disc"]), ["the classes", "first difference: their number"]),
        (
            Datasets { train: images([12, 10], 52, 1), ..datasets() },
            ["the number of training images", "here 52; in training 53"],
        ),
        (
            Datasets { test: images([12, 10], 16, 2), ..datasets() },
            ["the number of test images", "here 16; in training 17"],
        ),
    ] {
        let message = message_of(resumed(data, read()));
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
        assert!(message.starts_with(&*recorder.last().to_string_lossy()), "{message}");
    }
    let mut labeling = read();
    labeling.description.identity.as_mut().unwrap().labeling = "pixels".to_owned();
    assert!(message_of(resumed(datasets(), labeling)).contains("what has a label: here images"));
    let mut background = read();
    background.description.identity.as_mut().unwrap().background = Some(1);
    assert!(
        message_of(resumed(datasets(), background)).contains("background class: here none; in training col")
    );

    // Checkpoints of earlier versions know their classes only.
    let mut earlier = read();
    earlier.description.identity = None;
    let text = serde_json::to_string(&earlier.description).unwrap();
    assert!(!text.contains("identity"), "{text}");
    assert_eq!(serde_json::from_str::<Description>(&text).unwrap(), earlier.description);
    earlier.write(&recorder.last()).unwrap();
    resumed(datasets(), read()).unwrap();
}

#[test]
fn the_background_is_the_network_s() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = train(config(&[]), folder.path(), 1);
    let mut description = Checkpoint::read(&recorder.last()).unwrap().description;
    let data = || images([12, 10], 17, 2);
    assert_eq!(for_network(&description, data()).unwrap().background(), None);
    description.identity.as_mut().unwrap().background = Some(2);
    assert_eq!(for_network(&description, data()).unwrap().background(), Some(2));
    // An earlier checkpoint does not say, so it is that of the data.
    description.identity = None;
    let set = Relabeled::by_name(data(), &description.classes).unwrap().with_background(Some(0));
    assert_eq!(for_network(&description, Arc::new(set)).unwrap().background(), Some(0));
}

#[test]
fn a_network_that_gives_nan_has_no_accuracy() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = train(config(&[]), folder.path(), 1);
    let backend = CpuBackend::new().unwrap();
    let mut spoilt = network_alone(Checkpoint::read(&recorder.last()).unwrap()).unwrap();
    let bias = ArrayD::from_shape_vec(vec![3], vec![0.0, f32::NAN, 0.0]).unwrap();
    spoilt.tensors.insert("head.bias".to_owned(), bias);
    let trained = Trained::upload(&backend, spoilt.clone()).unwrap();
    let message = message_of(measured(&trained, images([12, 10], 17, 2)));
    assert!(message.contains("output for image 0 is NaN"), "{message}");
    let picture = image::DynamicImage::new_luma8(10, 12);
    let message = message_of(trained.classifier(&backend).unwrap().top(&picture, 2));
    assert!(message.contains("is NaN"), "{message}");
    // A class that is impossible is not an error.
    spoilt.tensors.insert("head.bias".to_owned(), ArrayD::from_elem(vec![3], f32::NEG_INFINITY));
    spoilt.tensors.get_mut("head.bias").unwrap()[0] = 0.0;
    let trained = Trained::upload(&backend, spoilt).unwrap();
    let labels = measured(&trained, images([12, 10], 17, 2)).unwrap();
    assert_eq!(labels.confusion.predictions(0), 17);
}

#[test]
fn spoilt_values_of_a_checkpoint_are_named_when_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = train(config(&[]), folder.path(), 2);
    let good = Checkpoint::read(&recorder.last()).unwrap();
    let path = folder.path().join("spoilt.safetensors");
    for (name, value, words) in [
        ("head.weight", f32::NAN, "value 2 of 48 of \"head.weight\" is NaN"),
        ("stages.0.0.large.weight", f32::INFINITY, "is inf"),
        ("ema.head.bias", f32::NEG_INFINITY, "\"ema.head.bias\" is -inf"),
        ("stages.1.1.small_bn.running_var", -1.0, "running_var\" is -1, which cannot be negative"),
        ("optimizer.second.head.bias", -1e-9, "cannot be negative"),
    ] {
        let mut spoilt = good.clone();
        *spoilt.tensors.get_mut(name).unwrap().iter_mut().nth(1).unwrap() = value;
        spoilt.write(&path).unwrap();
        let message = message_of(Checkpoint::read(&path));
        assert!(message.contains(words) && message.contains("spoilt.safetensors"), "{name}: {message}");
    }
    // Means and moments of the first order can be negative.
    for name in ["stages.1.1.small_bn.running_mean", "optimizer.first.head.bias", "head.bias"] {
        let mut fine = good.clone();
        *fine.tensors.get_mut(name).unwrap().iter_mut().nth(1).unwrap() = -1.0;
        fine.write(&path).unwrap();
        Checkpoint::read(&path).unwrap();
    }
}
