//! The default shapes and models to measure, and parsing of others from the command line.

use super::gemm::Linear;
use clap::ValueEnum;
use pelk_grid::{GridError, SharingGrid};
use serde::{Deserialize, Serialize};

/// A part of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// Peripheral and depthwise convolutions
    Conv,
    /// The second half of a block: LayerNorm, two linear layers with GELU between them, layer scale, residual
    Mlp,
    /// Whole networks
    Model,
    /// Matrix products of linear layers, beside matrixmultiply and gemm; only if named, because it takes ten
    /// minutes
    Gemm,
}

/// The computation to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Pass {
    /// An operator's output
    Forward,
    /// An operator's output, then the gradients of its input and its parameters
    ForwardBackward,
    /// A network's logits, in its folded form
    Inference,
    /// A training step: forward, loss, backward, AdamW
    TrainStep,
}

impl Pass {
    /// The name in output and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Pass::Forward => "forward",
            Pass::ForwardBackward => "forward_backward",
            Pass::Inference => "inference",
            Pass::TrainStep => "train_step",
        }
    }

    /// Multiply-adds relative to the forward pass: each of the two gradients takes as many.
    pub fn cost(self) -> u64 {
        match self {
            Pass::Forward | Pass::Inference => 1,
            Pass::ForwardBackward | Pass::TrainStep => 3,
        }
    }
}

/// A peripheral convolution on a square map, with an exponential grid of base 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peripheral {
    /// Channels.
    pub c: usize,
    /// Height and width of the map.
    pub h: usize,
    /// Size of the kernel.
    pub kernel: usize,
    /// Size of its fine center.
    pub center: usize,
}

impl Peripheral {
    /// The grid; dense if the center covers the kernel.
    ///
    /// # Errors
    /// When kernel and center do not make a valid grid.
    pub fn grid(self) -> Result<SharingGrid, GridError> {
        SharingGrid::exponential(self.kernel, self.center, 2)
    }
}

/// A depthwise convolution with a dense kernel on a square map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depthwise {
    /// Channels.
    pub c: usize,
    /// Height and width of the map.
    pub h: usize,
    /// Height of the kernel.
    pub kernel_h: usize,
    /// Width of the kernel.
    pub kernel_w: usize,
}

/// A pixel MLP whose hidden layer has four times the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mlp {
    /// Pixels.
    pub rows: usize,
    /// Channels.
    pub c: usize,
}

/// A network on square images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Its name in the zoo.
    pub name: String,
    /// Whether its large kernels are dense.
    pub dense: bool,
    /// Height and width of the images.
    pub size: usize,
    /// Batch size.
    pub batch: usize,
    /// The computation.
    pub pass: Pass,
}

const fn peripheral(c: usize, h: usize, kernel: usize, center: usize) -> Peripheral {
    Peripheral { c, h, kernel, center }
}

/// The kernels of PeLK-T on the maps of a 224 x 224 image, with 3/8 of ConvNeXt-T's channels; the largest
/// kernels on the map of a 512 x 512 image; the convolved channels of PeLK-T itself, which is 1.3 times as
/// wide as ConvNeXt-T.
pub const PERIPHERAL: [Peripheral; 10] = [
    peripheral(36, 56, 51, 5),
    peripheral(72, 28, 49, 5),
    peripheral(144, 14, 47, 5),
    peripheral(288, 7, 13, 5),
    peripheral(36, 128, 51, 5),
    peripheral(36, 128, 101, 7),
    peripheral(46, 56, 51, 5),
    peripheral(93, 28, 49, 5),
    peripheral(187, 14, 47, 5),
    peripheral(374, 7, 13, 5),
];

const fn depthwise(c: usize, h: usize, kernel_h: usize, kernel_w: usize) -> Depthwise {
    Depthwise { c, h, kernel_h, kernel_w }
}

/// PeLK's small branch, ConvNeXt's kernels, the two stripes of a decomposed 51 x 51 kernel, and a dense one
/// for comparison.
pub const DEPTHWISE: [Depthwise; 7] = [
    depthwise(36, 56, 5, 5),
    depthwise(96, 56, 7, 7),
    depthwise(384, 14, 7, 7),
    depthwise(768, 7, 7, 7),
    depthwise(36, 56, 51, 5),
    depthwise(36, 56, 5, 51),
    depthwise(36, 56, 51, 51),
];

const fn mlp(rows: usize, c: usize) -> Mlp {
    Mlp { rows, c }
}

/// The stages of ConvNeXt-T, then those of PeLK-T, on one 224 x 224 image.
pub const MLP: [Mlp; 8] = [
    mlp(3136, 96),
    mlp(784, 192),
    mlp(196, 384),
    mlp(49, 768),
    mlp(3136, 124),
    mlp(784, 249),
    mlp(196, 499),
    mlp(49, 998),
];

/// Networks of the paper, and the network and batch size of the default preset (Fashion-MNIST).
pub fn models(preset_batch: usize) -> Vec<Model> {
    let model =
        |name: &str, size, batch, pass| Model { name: name.to_owned(), dense: false, size, batch, pass };
    vec![
        model("pelk_t", 224, 1, Pass::Inference),
        model("pelk_t", 512, 1, Pass::Inference),
        model("pelk_b_101", 384, 1, Pass::Inference),
        model("pelk_t", 224, 2, Pass::TrainStep),
        model("pelk_atto", 28, preset_batch, Pass::TrainStep),
    ]
}

/// Maximum number of values in a tensor: 1 GiB.
const MOST_VALUES: usize = 1 << 28;
/// Largest number in a shape.
const LARGEST: usize = 1 << 16;

/// Parses `N` comma-separated numbers; `form` names them in errors.
fn numbers<const N: usize>(text: &str, form: &str) -> Result<[usize; N], String> {
    let number = |part: &str| part.trim().parse().ok().filter(|number| (1..=LARGEST).contains(number));
    let numbers: Option<Vec<usize>> = text.split(',').map(number).collect();
    let numbers = numbers.and_then(|numbers| numbers.try_into().ok());
    numbers.ok_or_else(|| format!("must be {form}: {N} whole numbers from 1 to {LARGEST}"))
}

/// Rejects tensors too large to measure.
fn fits(sides: &[usize]) -> Result<(), String> {
    let values = sides.iter().try_fold(1_usize, |product, side| product.checked_mul(*side));
    match values {
        Some(..=MOST_VALUES) => Ok(()),
        _ => Err(format!("makes a tensor of more than {MOST_VALUES} values")),
    }
}

/// Reads `C,H,KERNEL,CENTER`.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse_peripheral(text: &str) -> Result<Peripheral, String> {
    let [c, h, kernel, center] = numbers(text, "C,H,KERNEL,CENTER")?;
    let shape = Peripheral { c, h, kernel, center };
    let cells = shape.grid().map_err(|error| error.to_string())?.cells();
    fits(&[c, h, h])?;
    fits(&[c, cells, cells])?;
    Ok(shape)
}

/// Reads `C,H,KERNEL_H,KERNEL_W`.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse_depthwise(text: &str) -> Result<Depthwise, String> {
    let [c, h, kernel_h, kernel_w] = numbers(text, "C,H,KERNEL_H,KERNEL_W")?;
    for kernel in [kernel_h, kernel_w] {
        SharingGrid::dense(kernel).map_err(|error| error.to_string())?;
    }
    fits(&[c, h, h])?;
    fits(&[c, kernel_h, kernel_w])?;
    Ok(Depthwise { c, h, kernel_h, kernel_w })
}

/// Reads `ROWS,C`.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse_mlp(text: &str) -> Result<Mlp, String> {
    let [rows, c] = numbers(text, "ROWS,C")?;
    fits(&[rows, 4, c])?;
    fits(&[4, c, c])?;
    Ok(Mlp { rows, c })
}

/// Reads `ROWS,INPUTS,OUTPUTS`.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse_linear(text: &str) -> Result<Linear, String> {
    let [rows, inputs, outputs] = numbers(text, "ROWS,INPUTS,OUTPUTS")?;
    for sides in [[rows, inputs], [rows, outputs], [inputs, outputs]] {
        fits(&sides)?;
    }
    Ok(Linear { rows, inputs, outputs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_as_they_are_written() {
        assert_eq!(parse_peripheral("36,56,51,5"), Ok(PERIPHERAL[0]));
        assert_eq!(parse_peripheral(" 36, 128, 101, 7"), Ok(PERIPHERAL[5]));
        assert_eq!(parse_depthwise("36,56,51,5"), Ok(DEPTHWISE[4]));
        assert_eq!(parse_mlp("784,192"), Ok(MLP[1]));
        assert_eq!(parse_linear("784,249,996"), Ok(Linear { rows: 784, inputs: 249, outputs: 996 }));
        assert!(parse_peripheral("8,7,5,5").unwrap().grid().unwrap().is_dense());
    }

    #[test]
    fn bad_shapes_are_refused_with_what_would_be_right() {
        let refused = |text: &str| parse_peripheral(text).unwrap_err();
        for text in ["", "1,2,3", "1,2,3,4,5", "a,2,3,1", "0,7,5,3", "36,-1,5,3", "99999,7,5,3"] {
            assert!(refused(text).contains("C,H,KERNEL,CENTER"), "{text}: {}", refused(text));
        }
        assert!(refused("65536,65536,5,3").contains("values"));
        for text in ["4,7,6,3", "4,7,3,5", "4,7,5,2"] {
            assert!(refused(text).len() > 10, "{text}");
        }
        assert!(parse_depthwise("4,7,5,4").is_err());
        assert!(parse_mlp("65536,65536").unwrap_err().contains("values"));
        assert!(parse_linear("65536,65536,1").unwrap_err().contains("values"));
        assert!(parse_mlp("7").unwrap_err().contains("ROWS,C"));
    }

    #[test]
    fn the_names_of_passes_are_those_of_the_command_line_and_of_json() {
        for pass in Pass::value_variants() {
            assert_eq!(pass.to_possible_value().unwrap().get_name(), pass.name());
            assert_eq!(serde_json::to_string(pass).unwrap(), format!("\"{}\"", pass.name()));
        }
    }

    #[test]
    fn every_shape_of_the_table_has_a_grid() {
        for shape in PERIPHERAL {
            let grid = shape.grid().unwrap();
            assert!(grid.kernel() == shape.kernel && grid.center() >= shape.center, "{shape:?}");
        }
    }
}
