//! The folded network computes the same as the network in evaluation mode.

use ndarray::ArrayD;
use pelk_autodiff::{
    CpuBackend, CpuTensor, Eager, HostParameters, ParameterSpec, Parameters, Role, Shape, Storage,
};
use pelk_detection::Resized;
use pelk_models::detection::Detector;
use pelk_models::heads::cascade::{HeadForm, box_head, mask_head};
use pelk_models::zoo::configure;
use pelk_models::{
    CascadeConfig, Head, MixerConfig, ModelSpec, Network, NetworkConfig, Position, ThetaScale, UperNetConfig,
    fold, initialize,
};
use pelk_ops::Roi;
use pelk_random::{Purpose, name_hash, stream, truncated_normal};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Largest difference of logits, or of all outputs of a detector, relative to the largest.
const TOLERANCE: f32 = 1e-5;

/// A model of the zoo with these options.
fn spec(name: &str, mut options: Value) -> ModelSpec {
    options["name"] = name.into();
    serde_json::from_value(options).unwrap()
}

/// Two stages whose first kernel is larger than the map of a small image, with these changes.
fn small(changes: Value) -> NetworkConfig {
    let mut options = json!({ "depths": [1, 2], "widths": [16, 24], "kernels": [21, 9] });
    for (key, value) in changes.as_object().unwrap() {
        options[key] = value.clone();
    }
    configure(&spec("pelk_atto", options), 3, 7).unwrap()
}

/// Parameters as after long training: no norm is the identity, no bias or embedding is zero.
fn trained(network: &Network) -> HostParameters {
    let mut weights = initialize(network, 3).unwrap();
    for spec in network.parameters().unwrap() {
        let mut rng = stream(5, Purpose::Init, 1, name_hash(&spec.name));
        let mut normal = |std: f32| truncated_normal(&mut rng, std);
        let fan_in: usize = spec.shape[1..].iter().product();
        let mut draw = |spec: &ParameterSpec| match spec.role {
            Role::Weight => normal((fan_in as f32).powf(-0.5)),
            Role::Buffer if spec.name.ends_with("running_var") => 0.2 + normal(0.8).abs(),
            Role::NoDecay if spec.name.ends_with("weight") => 1.0 + normal(0.3),
            _ => normal(0.3),
        };
        weights.insert(spec.name.clone(), ArrayD::from_shape_simple_fn(&spec.shape[..], || draw(&spec)));
    }
    weights
}

/// Random images `[count, height, width, channels]`.
fn images(backend: &CpuBackend, network: &Network, [count, height, width]: [usize; 3]) -> CpuTensor {
    let shape = Shape::from([count, height, width, network.config().in_channels]);
    let mut rng = stream(9, Purpose::Augment, 0, 0);
    let pixels: Vec<f32> = (0..shape.elements()).map(|_| truncated_normal(&mut rng, 1.0)).collect();
    backend.upload(&shape, &pixels).unwrap()
}

/// Logits; of a detector everything that it computes, with its heads on a few boxes.
fn outputs(network: &Network, weights: &HostParameters, [height, width]: [usize; 2]) -> Vec<f32> {
    let backend = CpuBackend::new().unwrap();
    let parameters = Parameters::upload(&backend, weights).unwrap();
    let images = images(&backend, network, [2, height, width]);
    let mut e = Eager::new(&backend, &parameters);
    let outputs = match &network.config().head {
        Head::CascadeMaskRcnn(cascade) => {
            let trunk = network.trunk(&mut e, &images).unwrap();
            let maps = &trunk.maps[..network.config().stages.len()];
            let side = |share: f32| [width, height].map(|side| share * side as f32);
            let rois: Arc<[Roi]> = (0..6)
                .map(|i| {
                    let ([x1, y1], [x2, y2]) = (side(0.1 * i as f32), side(0.3 + 0.1 * i as f32));
                    Roi { image: i % 2, map: i / 2 % maps.len(), corners: [x1, y1, x2, y2] }
                })
                .collect();
            let form = HeadForm::from(network.config());
            let mut outputs =
                [&trunk.maps[..], &trunk.proposals.objectness, &trunk.proposals.deltas].concat();
            for stage in 0..cascade.stages.len() {
                let boxes = box_head(&mut e, cascade, form, stage, maps, rois.clone()).unwrap();
                let masks = mask_head(&mut e, cascade, form, stage, maps, rois.clone()).unwrap();
                outputs.extend([boxes.logits, boxes.deltas, masks]);
            }
            outputs
        }
        _ => vec![network.logits(&mut e, &images).unwrap()],
    };
    outputs.iter().flat_map(|output| backend.download(output).unwrap()).collect()
}

/// Folds a network with trained weights and compares it on images of these sizes.
fn check(what: &str, config: NetworkConfig, sizes: &[[usize; 2]]) -> (NetworkConfig, HostParameters) {
    let network = Network::new(config.clone()).unwrap();
    let weights = trained(&network);
    let (folded_config, folded_weights) = fold(&config, &weights).unwrap();
    assert_eq!(folded_config, NetworkConfig { folded: true, ..config }, "{what}: only the flag changes");
    let folded = Network::new(folded_config.clone()).unwrap();
    let wanted: BTreeSet<_> = folded.parameters().unwrap().into_iter().map(|spec| spec.name).collect();
    let given: BTreeSet<_> = folded_weights.keys().cloned().collect();
    assert_eq!(given, wanted, "{what}: the folded weights are those that the folded network asks for");
    for &size in sizes {
        let expected = outputs(&network, &weights, size);
        let largest = expected.iter().fold(0.0, |largest: f32, logit| largest.max(logit.abs()));
        assert!(largest > 0.1 && largest.is_finite(), "{what}: {expected:?} compare nothing");
        for (got, expected) in outputs(&folded, &folded_weights, size).iter().zip(&expected) {
            let difference = (got - expected).abs() / largest;
            assert!(difference <= TOLERANCE, "{what} at {size:?}: {got}, not {expected} ({difference:e})");
        }
    }
    (folded_config, folded_weights)
}

#[test]
fn a_decoder_folds_exactly() {
    let upernet = UperNetConfig { channels: 12, auxiliary_channels: 8, ..UperNetConfig::default() };
    let config = small(json!({ "upernet": upernet }));
    let (_, weights) = check("UperNet", config, &[[28, 28], [32, 20]]);
    assert!(weights.contains_key("decode_head.fpn_bottleneck.conv.bias"));
}

#[test]
fn pelk_atto_folds_exactly() {
    let config = configure(&spec("pelk_atto", json!({})), 1, 10).unwrap();
    check("pelk_atto", config, &[[28, 28], [32, 20], [64, 64]]);
}

#[test]
fn every_position_form_and_small_kernel_folds_exactly() {
    for position in [Position::None, Position::InBounds, Position::Literal] {
        // 7 is larger than the unshared center of 5 and stays a separate branch.
        for small_kernel in [0, 3, 5, 7] {
            let config = small(json!({ "position": position, "small_kernel": small_kernel }));
            let what = format!("position {position:?}, small kernel {small_kernel}");
            let (_, weights) = check(&what, config, &[[16, 16], [9, 30]]);
            assert_eq!(weights.contains_key("stages.0.0.small.weight"), small_kernel == 7, "{what}");
            assert_eq!(weights.contains_key("positions.0"), position == Position::InBounds, "{what}");
        }
    }
}

#[test]
fn other_grids_and_ratios_fold_exactly() {
    for (what, changes) in [
        ("all channels convolved", json!({ "ratio": 1.0 })),
        ("one channel convolved", json!({ "ratio": 0.07 })),
        ("no layer scale", json!({ "layer_scale": 0.0 })),
        ("dense kernels below the branch's", json!({ "kernels": [3, 1] })),
        ("fine outside", json!({ "grids": ["1,1,2,4,8,1", "2,1,1,1"] })),
        ("no unshared center", json!({ "grids": ["4,3,5", "2,3"] })),
        ("means", json!({ "theta_scale": "mean" })),
        ("means, literal", json!({ "theta_scale": "mean", "position": "literal" })),
    ] {
        check(what, small(changes), &[[16, 16], [30, 9]]);
    }
}

#[test]
fn the_folded_operator_is_peripheral_on_the_same_grid() {
    let (config, weights) = check("pelk", small(json!({})), &[]);
    for (i, stage) in config.stages.iter().enumerate() {
        let MixerConfig::Peripheral(peripheral) = &stage.mixer else { panic!("PeLK is peripheral") };
        let cells = peripheral.grid.cells();
        assert!(cells < peripheral.grid.kernel(), "the test wants kernels that share");
        for j in 0..stage.depth {
            let theta = &weights[&format!("stages.{i}.{j}.large.weight")];
            assert_eq!(theta.shape(), [peripheral.channels, cells, cells]);
        }
    }
}

#[test]
fn stripes_and_dense_kernels_fold_exactly() {
    for (form, ratio) in [("stripe", 1.0), ("stripe", 0.4), ("dense", 1.0)] {
        // The second stage's stripes would be no longer than wide, so it has a dense kernel without a branch.
        let config = small(json!({ "form": form, "ratio": ratio, "kernels": [21, 5], "position": "none" }));
        let (_, weights) = check(&format!("{form} {ratio}"), config, &[[16, 16], [9, 30]]);
        assert!(!weights.contains_key("stages.0.0.small.weight"), "the small kernel is merged");
        assert_eq!(weights.contains_key("stages.0.0.horizontal.weight"), form == "stripe");
        assert_eq!(weights["stages.1.0.large.weight"].shape()[1..], [5, 5]);
    }
}

#[test]
fn convnext_has_nothing_to_fold() {
    let options = json!({ "depths": [1, 1], "widths": [16, 24], "kernels": [7, 7] });
    let spec = spec("convnext_atto", options);
    let config = configure(&spec, 1, 10).unwrap();
    let weights = trained(&Network::new(config.clone()).unwrap());
    let (_, folded) = check("convnext", config, &[[28, 28]]);
    assert_eq!(folded, weights);
}

#[test]
fn folding_twice_is_folding_once() {
    for position in [Position::None, Position::InBounds, Position::Literal] {
        let config = small(json!({ "position": position, "small_kernel": 7 }));
        let once = fold(&config, &trained(&Network::new(config.clone()).unwrap())).unwrap();
        assert_eq!(fold(&once.0, &once.1).unwrap(), once);
    }
}

#[test]
fn a_missing_or_misshapen_parameter_is_named() {
    let config = small(json!({ "position": "literal" }));
    let network = Network::new(config.clone()).unwrap();
    let weights = trained(&network);
    let before: BTreeSet<_> = weights.keys().cloned().collect();
    let (_, folded) = fold(&config, &weights).unwrap();
    let after: BTreeSet<_> = folded.into_keys().collect();
    let theta = "stages.0.0.large.weight".to_owned();
    // What folding reads: everything that it removes, and the kernel that it changes.
    for name in before.difference(&after).chain([&theta]) {
        let shape = format!("{:?}", weights[name].shape());
        let mut spoilt = weights.clone();
        spoilt.remove(name);
        let message = fold(&config, &spoilt).unwrap_err().to_string();
        assert!(message.contains(&format!("{name:?}")) && message.contains(&shape), "{name}: {message}");
        spoilt.insert(name.clone(), ArrayD::zeros(vec![3, 2, 1]));
        let message = fold(&config, &spoilt).unwrap_err().to_string();
        assert!(message.contains(&format!("{name:?}")), "{name}: {message}");
        assert!(message.contains("[3, 2, 1]") && message.contains(&shape), "{name}: {message}");
    }
}

#[test]
fn factors_of_means_are_taps_times_the_area() {
    let [sums, means] = [ThetaScale::Sum, ThetaScale::Mean]
        .map(|theta_scale| Network::new(small(json!({ "theta_scale": theta_scale }))).unwrap());
    let weights = trained(&sums);
    let mut others = weights.clone();
    let mut changed = 0;
    for (i, stage) in sums.config().stages.iter().enumerate() {
        let MixerConfig::Peripheral(mixer) = &stage.mixer else { panic!("{:?}", stage.mixer) };
        let sides = mixer.grid.intervals();
        for j in 0..stage.depth {
            let theta = others.get_mut(&format!("stages.{i}.{j}.large.weight")).unwrap();
            for (place, parameter) in theta.indexed_iter_mut() {
                *parameter *= (sides[place[1]] * sides[place[2]]) as f32;
                changed += usize::from(sides[place[1]] * sides[place[2]] > 1);
            }
        }
    }
    assert!(changed > 100);
    let [expected, got] =
        [(&sums, &weights), (&means, &others)].map(|(network, weights)| outputs(network, weights, [24, 17]));
    let largest = expected.iter().fold(0.0, |largest: f32, logit| largest.max(logit.abs()));
    assert!(
        got.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= TOLERANCE * largest),
        "{got:?}, {expected:?}"
    );
}

#[test]
fn every_family_folds_exactly_with_every_mixer() {
    for name in ["inceptionnext_atto", "replknet_atto"] {
        for (form, position) in [
            ("inception", Position::None),
            ("stripe", Position::None),
            ("dense", Position::None),
            ("peripheral", Position::InBounds),
            ("peripheral", Position::Literal),
        ] {
            let options = json!({
                "depths": [1, 2],
                "widths": [16, 24],
                "kernels": [11, 7],
                "ratio": 0.4,
                "form": form,
                "position": position,
                "layer_scale": 1.0,
            });
            let spec = spec(name, options);
            let what = format!("{name}, {form}, {position:?}");
            let (_, weights) = check(&what, configure(&spec, 3, 7).unwrap(), &[[16, 16], [9, 30]]);
            assert!(!weights.keys().any(|name| name.contains("running")), "{what}: a BatchNorm is left");
        }
    }
}

#[test]
fn every_family_folds_exactly_under_every_head() {
    let upernet = UperNetConfig { channels: 12, auxiliary_channels: 8, ..UperNetConfig::default() };
    for name in ["inceptionnext_atto", "replknet_atto"] {
        let config = configure(&spec(name, json!({})), 1, 10).unwrap();
        for head in [Head::Pooled, Head::Dense, Head::UperNet(upernet.clone())] {
            let what = format!("{name}, {head:?}");
            let (_, weights) = check(&what, NetworkConfig { head, ..config.clone() }, &[[28, 28], [13, 33]]);
            assert!(!weights.keys().any(|name| name.contains("running")), "{what}: a BatchNorm is left");
        }
    }
}

/// A detector of three classes on a backbone with large kernels.
fn detector(name: &str) -> NetworkConfig {
    let cascade = CascadeConfig {
        channels: 12,
        anchor_scales: vec![2.0],
        finest_scale: 8.0,
        box_convs: 2,
        box_features: 16,
        mask_size: 8,
        mask_convs: 1,
        ..CascadeConfig::default()
    };
    let options = json!({
        "stem_stride": 4,
        "depths": [1, 2],
        "widths": [16, 24],
        "kernels": [11, 7],
        "form": "peripheral",
        "position": "in_bounds",
        "cascade": cascade,
    });
    configure(&spec(name, options), 3, 3).unwrap()
}

#[test]
fn a_detector_on_every_family_folds_exactly() {
    for name in ["pelk_atto", "inceptionnext_atto", "replknet_atto"] {
        let (_, weights) = check(&format!("a detector on {name}"), detector(name), &[[48, 64], [32, 32]]);
        assert!(!weights.keys().any(|name| name.contains("running")), "{name}: a BatchNorm is left");
        let (first, last) = (0, CascadeConfig::default().stages.len() - 1);
        for stage in [first, last] {
            let bias = format!("roi_head.bbox_head.{stage}.shared_convs.1.conv.bias");
            assert!(weights.contains_key(&bias), "{name} lacks {bias}");
        }
    }
}

#[test]
fn a_folded_detector_finds_the_same_objects() {
    let config = detector("pelk_atto");
    let weights = trained(&Network::new(config.clone()).unwrap());
    let (folded, folded_weights) = fold(&config, &weights).unwrap();
    let found = [(config, weights), (folded, folded_weights)].map(|(config, weights)| {
        let (backend, network) = (CpuBackend::new().unwrap(), Network::new(config).unwrap());
        let parameters = Parameters::upload(&backend, &weights).unwrap();
        let image = images(&backend, &network, [1, 64, 96]);
        let size = Resized { original: [120, 180], resized: [60, 90] };
        Detector::new(&backend, &network, &parameters).unwrap().detect(image, &size).unwrap()
    });
    let [original, folded] = &found;
    assert_eq!(original.len(), folded.len());
    assert!(original.len() > 20, "{} objects compare little", original.len());
    for object in original {
        // Rounding may swap objects with nearly the same score.
        let same = folded.iter().any(|other| {
            let moved = object.corners.iter().zip(other.corners).map(|(a, b)| (a - b).abs());
            object.class == other.class
                && (object.score - other.score).abs() < 1e-4
                && moved.fold(0.0, f32::max) < 0.01
        });
        assert!(same, "{:?} of class {} is not found", object.corners, object.class);
    }
}

#[test]
fn a_missing_or_misshapen_norm_of_a_family_is_named() {
    for name in ["inceptionnext_atto", "replknet_atto"] {
        let config = configure(&spec(name, json!({})), 1, 10).unwrap();
        let weights = trained(&Network::new(config.clone()).unwrap());
        let (_, folded) = fold(&config, &weights).unwrap();
        let gone = weights.keys().filter(|name| !folded.contains_key(*name));
        let layers = ["stages.1.blocks.0.mlp.fc1.weight", "stages.1.blocks.0.pw1.conv.weight", "head.bias"];
        let changed = layers.map(str::to_owned).into_iter().filter(|name| weights.contains_key(name));
        for name in gone.cloned().chain(changed).collect::<Vec<_>>() {
            let mut spoilt = weights.clone();
            spoilt.remove(&name);
            let message = fold(&config, &spoilt).unwrap_err().to_string();
            assert!(message.contains(&format!("{name:?}")), "{name}: {message}");
            spoilt.insert(name.clone(), ArrayD::zeros(vec![3]));
            let message = fold(&config, &spoilt).unwrap_err().to_string();
            assert!(message.contains("[3]"), "{name}: {message}");
        }
    }
}
