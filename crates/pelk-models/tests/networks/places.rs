//! Every parameter has its correct place in the network.

use pelk_autodiff::{ParameterSpec, Section};
use pelk_models::{Head, Network, NetworkConfig, UperNetConfig, zoo};
use std::collections::{BTreeMap, BTreeSet};

fn parameters(config: &NetworkConfig, head: Head) -> Vec<ParameterSpec> {
    Network::new(NetworkConfig { head, ..config.clone() }).unwrap().parameters().unwrap()
}

#[test]
fn every_parameter_of_every_model_has_a_place() {
    for model in zoo::models() {
        for folded in [false, true] {
            let config = NetworkConfig { folded, ..model.configure(3, 10).unwrap() };
            for head in [Head::Pooled, Head::Dense, Head::UperNet(UperNetConfig::default())] {
                for spec in parameters(&config, head) {
                    assert_ne!(spec.place.section, Section::Other, "{}: {}", model.name, spec.name);
                }
            }
        }
    }
}

#[test]
fn a_backbone_is_what_networks_share_under_different_heads() {
    for model in zoo::models() {
        let config = model.configure(3, 10).unwrap();
        let classifier = parameters(&config, Head::Pooled);
        let decoder = parameters(&config, Head::UperNet(UperNetConfig::default()));
        let decoder: BTreeSet<&str> = decoder.iter().map(|spec| spec.name.as_str()).collect();
        for ParameterSpec { name, place, .. } in &classifier {
            assert_eq!(
                place.section.is_backbone(),
                decoder.contains(name.as_str()),
                "{}: {name}",
                model.name
            );
        }
        for i in 0..config.stages.len() {
            let before = if i == 0 { Section::Stem } else { Section::Downsampling(i) };
            for section in [before, Section::Block(i, 0)] {
                let found = classifier.iter().any(|spec| spec.place.section == section);
                assert!(found, "{}: {section:?}", model.name);
            }
        }
    }
}

#[test]
fn names_of_every_family_have_their_place() {
    let places = |name: &str, head| -> BTreeMap<String, Section> {
        let config = zoo::model(name).unwrap().configure(3, 10).unwrap();
        parameters(&config, head).into_iter().map(|spec| (spec.name, spec.place.section)).collect()
    };
    let segmentation = Head::UperNet(UperNetConfig::default());
    let pelk = places("pelk_t", Head::Pooled);
    let upernet = places("pelk_t", segmentation);
    let inceptionnext = places("inceptionnext_t", Head::Pooled);
    let replknet = places("replknet_31b", Head::Pooled);
    for (places, name, section) in [
        (&pelk, "downsample_layers.0.1.weight", Section::Stem),
        (&replknet, "stem.3.conv.weight", Section::Stem),
        (&pelk, "downsample_layers.1.0.bias", Section::Downsampling(1)),
        (&inceptionnext, "stages.2.downsample.1.weight", Section::Downsampling(2)),
        (&replknet, "transitions.0.1.bn.running_var", Section::Downsampling(1)),
        (&pelk, "stages.3.1.gamma", Section::Block(3, 1)),
        (&pelk, "stages.2.8.large_bn.running_mean", Section::Block(2, 8)),
        (&inceptionnext, "stages.0.blocks.1.token_mixer.dwconv_h.bias", Section::Block(0, 1)),
        (&replknet, "stages.0.blocks.1.pw1.conv.weight", Section::Block(0, 1)),
        (&pelk, "positions.1", Section::Position(1)),
        (&pelk, "norm.weight", Section::Norm),
        (&upernet, "norm2.weight", Section::Norm),
        (&inceptionnext, "head.fc1.weight", Section::Head),
        (&upernet, "decode_head.conv_seg.bias", Section::Decoder),
        (&upernet, "auxiliary_head.convs.0.bn.weight", Section::AuxiliaryHead),
    ] {
        assert_eq!(places.get(name), Some(&section), "{name}");
    }
}
