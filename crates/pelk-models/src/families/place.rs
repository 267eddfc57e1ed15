//! Where in a backbone a parameter stands, by its name: the one place that knows the names of all families.

/// A part of a backbone, which has the same names under any head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before the first stage.
    Stem,
    /// Before this stage, counted from 0, which is not the first.
    Downsampling(usize),
    /// In a block of a stage, both counted from 0.
    Block(usize, usize),
    /// A position embedding, which the blocks of a stage share.
    Position,
}

impl Place {
    /// The place of the parameter called `name`; `None` for those of heads and the norms before them.
    pub fn of(name: &str) -> Option<Place> {
        let pieces: Vec<&str> = name.split('.').collect();
        let number = |piece: &str| piece.parse::<usize>().ok();
        Some(match pieces[..] {
            ["stem", ..] | ["downsample_layers", "0", ..] => Place::Stem,
            ["downsample_layers", stage, ..] | ["stages", stage, "downsample", ..] => {
                Place::Downsampling(number(stage)?)
            }
            ["transitions", after, ..] => Place::Downsampling(number(after)? + 1),
            ["stages", stage, "blocks", block, ..] | ["stages", stage, block, ..] => {
                Place::Block(number(stage)?, number(block)?)
            }
            ["positions", ..] => Place::Position,
            _ => return None,
        })
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
                let before = if i == 0 { Place::Stem } else { Place::Downsampling(i) };
                for place in [before, Place::Block(i, 0)] {
                    let found = classifier.iter().any(|name| Place::of(name) == Some(place));
                    assert!(found, "{}: {place:?}", model.name);
                }
            }
        }
    }

    #[test]
    fn names_of_every_family_have_their_place() {
        for (name, place) in [
            ("downsample_layers.0.1.weight", Some(Place::Stem)),
            ("stem.3.conv.weight", Some(Place::Stem)),
            ("downsample_layers.1.0.bias", Some(Place::Downsampling(1))),
            ("stages.2.downsample.1.weight", Some(Place::Downsampling(2))),
            ("transitions.0.1.bn.running_var", Some(Place::Downsampling(1))),
            ("stages.3.1.gamma", Some(Place::Block(3, 1))),
            ("stages.0.blocks.1.token_mixer.dwconv_h.bias", Some(Place::Block(0, 1))),
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
