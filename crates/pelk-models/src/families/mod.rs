//! The layers around the mixers: stem, downsampling, block, classifier. To add a family: a file here that
//! implements [`Layers`], its name in [`Family`], and its line in `layers_of!`.
//!
//! Every mixer works in every family: the spatial part of a block and the layers around it are separate
//! choices.

mod common;
mod convnext;
mod inceptionnext;
mod layers;
mod map;
mod merge;
mod replknet;

pub(crate) use layers::Layers;
pub(crate) use map::Map;
pub(crate) use merge::{Merge, Side};

#[cfg(doc)]
use crate::config::Family;

pub(crate) use convnext::ConvNeXt;
pub(crate) use inceptionnext::InceptionNeXt;
pub(crate) use replknet::RepLKNet;

/// Calls a function of [`Layers`] for the family of a configuration.
macro_rules! layers_of {
    ($config:expr, $function:ident($($argument:expr),*)) => {
        match $config.family {
            $crate::config::Family::ConvNeXt => {
                <$crate::families::ConvNeXt as $crate::families::Layers>::$function($($argument),*)
            }
            $crate::config::Family::InceptionNeXt => {
                <$crate::families::InceptionNeXt as $crate::families::Layers>::$function($($argument),*)
            }
            $crate::config::Family::RepLKNet => {
                <$crate::families::RepLKNet as $crate::families::Layers>::$function($($argument),*)
            }
        }
    };
}
pub(crate) use layers_of;
