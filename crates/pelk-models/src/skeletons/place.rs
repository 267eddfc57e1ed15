//! Where in a backbone a parameter stands, by its name: the one place that knows the names of all skeletons.

/// A part of a backbone, which has the same names under any head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before the first stage.
    Stem,
    /// Between two stages.
    Downsampling,
    /// In the blocks of a stage, counted from 0.
    Stage(usize),
    /// A position embedding, which the blocks of a stage share.
    Position,
}

impl Place {
    /// The place of the parameter called `name`; `None` for those of heads and the norms before them.
    pub fn of(name: &str) -> Option<Place> {
        let mut pieces = name.split('.');
        let mut next = || pieces.next().unwrap_or_default();
        match (next(), next(), next()) {
            ("downsample_layers", "0", _) | ("stem", ..) => Some(Place::Stem),
            ("downsample_layers" | "transitions", ..) | ("stages", _, "downsample") => {
                Some(Place::Downsampling)
            }
            ("stages", stage, _) => stage.parse().ok().map(Place::Stage),
            ("positions", ..) => Some(Place::Position),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Head, Network, UperNetConfig, zoo};

    #[test]
    fn a_backbone_is_what_networks_share_under_different_heads() {
        for model in zoo::models() {
            let config = model.configure(3, 10).unwrap();
            let names = |head| -> Vec<String> {
                let network = Network::new(crate::NetworkConfig { head, ..config.clone() }).unwrap();
                network.parameters().unwrap().into_iter().map(|spec| spec.name).collect()
            };
            let (classifier, decoder) = (names(Head::Pooled), names(Head::UperNet(UperNetConfig::default())));
            for name in &classifier {
                assert_eq!(Place::of(name).is_some(), decoder.contains(name), "{}: {name}", model.name);
            }
            let stages = config.stages.len();
            for i in 0..stages {
                assert!(
                    classifier.iter().any(|name| Place::of(name) == Some(Place::Stage(i))),
                    "{}",
                    model.name
                );
            }
            for place in [Place::Stem, Place::Downsampling] {
                assert!(classifier.iter().any(|name| Place::of(name) == Some(place)), "{}", model.name);
            }
        }
    }

    #[test]
    fn names_of_every_skeleton_have_their_place() {
        for (name, place) in [
            ("downsample_layers.0.1.weight", Some(Place::Stem)),
            ("stem.3.conv.weight", Some(Place::Stem)),
            ("downsample_layers.1.0.bias", Some(Place::Downsampling)),
            ("stages.2.downsample.1.weight", Some(Place::Downsampling)),
            ("transitions.0.1.bn.running_var", Some(Place::Downsampling)),
            ("stages.3.1.gamma", Some(Place::Stage(3))),
            ("stages.0.blocks.1.token_mixer.dwconv_h.bias", Some(Place::Stage(0))),
            ("positions.1", Some(Place::Position)),
            ("norm.weight", None),
            ("norm2.weight", None),
            ("head.fc1.weight", None),
            ("decode_head.conv_seg.bias", None),
            ("stages", None),
        ] {
            assert_eq!(Place::of(name), place, "{name}");
        }
    }
}
