//! UperNet (arXiv 1807.10221) for semantic segmentation, as in MMSegmentation: the deepest map is pooled at
//! several sizes, joined and passed down to the finer maps; all maps together classify each position.
//!
//! Each stage's output first goes through its own LayerNorm, as in the segmentation models of ConvNeXt and
//! SLaK. The logits are resized to the image. In training, an auxiliary FCN head classifies the
//! second-to-last stage.
//!
//! Names: `normI.*`, and MMSegmentation's `decode_head.*` (`psp_modules.I.1`, `bottleneck`,
//! `lateral_convs.I`, `fpn_convs.I`, `fpn_bottleneck`, `conv_seg`) and `auxiliary_head.*` (`convs.0`,
//! `conv_seg`); a convolution with its BatchNorm has the names `conv.weight` and `bn.*`, and folded
//! `conv.weight` and `conv.bias`.

use crate::config::UperNetConfig;
use crate::families::Merge;
use crate::layers::{Convolution, conv2d_bn, conv2d_with, layer_norm};
use crate::scope::Scope;
use pelk_autodiff::operators::{AdaptiveAvgPool, Add, BilinearResize, ConcatChannels, Relu, ScaleSamples};
use pelk_autodiff::{Executor, Init, Section};

/// Standard deviation of the initial weights of the layers that compute the logits, as in MMSegmentation.
const LOGITS_STD: f32 = 0.01;

fn decoder() -> Scope {
    Scope::new("decode_head", Section::Decoder)
}

/// The convolution of stage `i`'s map to the decoder's channels.
fn lateral(i: usize) -> Scope {
    decoder().child("lateral_convs").child(i)
}

/// The convolution after adding the deeper maps to stage `i`'s.
fn fpn(i: usize) -> Scope {
    decoder().child("fpn_convs").child(i)
}

/// The convolution of the `i`-th pooled map.
fn psp(i: usize) -> Scope {
    decoder().child("psp_modules").child(i).child(1)
}

fn auxiliary_scope() -> Scope {
    Scope::new("auxiliary_head", Section::AuxiliaryHead)
}

fn auxiliary_conv() -> Scope {
    auxiliary_scope().child("convs").child(0)
}

/// The BatchNorms of both heads in a network with this number of stages; folding merges all of them.
pub(crate) fn merges(config: &UperNetConfig, stages: usize) -> Vec<Merge> {
    let others = stages.saturating_sub(1);
    let mut convs = vec![decoder().child("bottleneck"), decoder().child("fpn_bottleneck")];
    convs.extend((0..others).flat_map(|i| [lateral(i), fpn(i)]));
    convs.extend((0..config.pools.len()).map(psp));
    if config.auxiliary_channels > 0 {
        convs.push(auxiliary_conv());
    }
    convs.iter().map(Merge::conv_bn).collect()
}

/// The outputs of the stages, each through its LayerNorm.
///
/// # Errors
/// When a parameter is missing, or the executor's backend refuses.
pub fn normalize<E: Executor>(e: &mut E, features: &[E::Value]) -> pelk_autodiff::Result<Vec<E::Value>> {
    features
        .iter()
        .enumerate()
        .map(|(i, x)| layer_norm(e, &Scope::new(format!("norm{i}"), Section::Norm), x))
        .collect()
}

/// Logits `[N, image.., classes]` of normalized features, `[N, H_i, W_i, C_i]` from the highest resolution
/// down, at least two.
///
/// # Errors
/// When a parameter is missing, or the executor's backend refuses.
pub fn logits<E: Executor>(
    e: &mut E,
    config: &UperNetConfig,
    classes: usize,
    folded: bool,
    features: &[E::Value],
    image: [usize; 2],
) -> pelk_autodiff::Result<E::Value> {
    let scope = decoder();
    let mut convs = Convs { e, channels: config.channels, folded };
    let (deepest, others) = features.split_last().ok_or_else(|| no_stage(features.len()))?;
    let pyramid = pyramid(&mut convs, config, deepest)?;

    let mut maps = vec![pyramid];
    for (i, x) in others.iter().enumerate().rev() {
        let lateral = convs.conv(&lateral(i), x, 1)?;
        let place = size(convs.e, &lateral);
        let above = resize(convs.e, &maps[0], place)?;
        maps.insert(0, convs.e.apply_one(Add, &[&lateral, &above])?);
    }

    let finest = size(convs.e, &maps[0]);
    for (i, map) in maps.iter_mut().enumerate() {
        if i < others.len() {
            *map = convs.conv(&fpn(i), map, 3)?;
        }
        *map = resize(convs.e, map, finest)?;
    }
    let joined = convs.e.apply_one(ConcatChannels, &maps.iter().collect::<Vec<_>>())?;
    drop(maps);
    let joined = convs.conv(&scope.child("fpn_bottleneck"), &joined, 3)?;
    classify(convs.e, &scope, config, classes, &joined, image)
}

/// Logits `[N, image.., classes]` of the auxiliary head on the second-to-last map; `None` if the head has no
/// channels.
///
/// # Errors
/// Same as [`logits`].
pub fn auxiliary<E: Executor>(
    e: &mut E,
    config: &UperNetConfig,
    classes: usize,
    folded: bool,
    features: &[E::Value],
    image: [usize; 2],
) -> pelk_autodiff::Result<Option<E::Value>> {
    if config.auxiliary_channels == 0 {
        return Ok(None);
    }
    let x = features.iter().rev().nth(1).ok_or_else(|| no_stage(features.len()))?;
    let mut convs = Convs { e, channels: config.auxiliary_channels, folded };
    let x = convs.conv(&auxiliary_conv(), x, 3)?;
    classify(e, &auxiliary_scope(), config, classes, &x, image).map(Some)
}

fn no_stage(stages: usize) -> pelk_autodiff::Error {
    let reason = format!("joins the maps of two or more stages, was given {stages}");
    pelk_autodiff::Error::Shape { operator: "UperNet", reason }
}

/// The deepest map joined with its means over coarse grids, which cover the whole image (PSPNet, arXiv
/// 1612.01105).
fn pyramid<E: Executor>(
    convs: &mut Convs<'_, E>,
    config: &UperNetConfig,
    x: &E::Value,
) -> pelk_autodiff::Result<E::Value> {
    let mut maps = vec![x.clone()];
    for (i, &side) in config.pools.iter().enumerate() {
        let pooled = convs.e.apply_one(AdaptiveAvgPool { size: [side, side] }, &[x])?;
        let pooled = convs.conv(&psp(i), &pooled, 1)?;
        let whole = size(convs.e, x);
        maps.push(resize(convs.e, &pooled, whole)?);
    }
    let joined = convs.e.apply_one(ConcatChannels, &maps.iter().collect::<Vec<_>>())?;
    convs.conv(&decoder().child("bottleneck"), &joined, 3)
}

/// Dropout2d, classification of each position, and resizing to the image.
fn classify<E: Executor>(
    e: &mut E,
    scope: &Scope,
    config: &UperNetConfig,
    classes: usize,
    x: &E::Value,
    image: [usize; 2],
) -> pelk_autodiff::Result<E::Value> {
    let (samples, channels) = (e.shape(x)[0], e.shape(x).channels());
    let x = match e.drop_factors(config.dropout as f32, samples * channels) {
        Some(factors) => e.apply_one(ScaleSamples { factors }, &[x])?,
        None => x.clone(),
    };
    let convolution = Convolution::same(classes, 1, Init::TruncatedNormal(LOGITS_STD));
    let logits = conv2d_with(e, &scope.child("conv_seg"), &x, convolution, true)?;
    resize(e, &logits, image)
}

/// The map resized.
fn resize<E: Executor>(e: &mut E, x: &E::Value, size: [usize; 2]) -> pelk_autodiff::Result<E::Value> {
    if self::size(e, x) == size {
        return Ok(x.clone());
    }
    e.apply_one(BilinearResize { size }, &[x])
}

/// Height and width.
fn size<E: Executor>(e: &E, x: &E::Value) -> [usize; 2] {
    let shape = e.shape(x);
    [shape[1], shape[2]]
}

/// Convolutions with the same number of outputs, each with BatchNorm and ReLU.
struct Convs<'a, E> {
    e: &'a mut E,
    channels: usize,
    folded: bool,
}

impl<E: Executor> Convs<'_, E> {
    /// A convolution with a kernel of side 1 or 3 that keeps the map's size. Weights start as in MMCV: He
    /// initialization by fan-out.
    fn conv(&mut self, scope: &Scope, x: &E::Value, kernel: usize) -> pelk_autodiff::Result<E::Value> {
        let init = Init::TruncatedNormal((2.0 / (self.channels * kernel * kernel) as f32).sqrt());
        let convolution = Convolution::same(self.channels, kernel, init);
        let x = conv2d_bn(self.e, self.folded, scope, x, convolution)?;
        self.e.apply_one(Relu, &[&x])
    }
}
