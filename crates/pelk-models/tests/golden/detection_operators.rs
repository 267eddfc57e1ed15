//! Golden cases of the operators that only detectors use.

use crate::case::Case;
use pelk_autodiff::Op;
use pelk_autodiff::operators::{ConvTranspose2d, MaxPool, NearestResize};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SizeAttrs {
    size: [usize; 2],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MaxPoolAttrs {
    kernel: usize,
    stride: usize,
    padding: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConvTranspose2dAttrs {
    kernel: usize,
    stride: usize,
}

/// The operator of a case, and the names of its inputs.
pub fn operator(case: &Case) -> Result<(Op, &'static [&'static str]), String> {
    match case.op.as_str() {
        "nearest_resize" => {
            let SizeAttrs { size } = case.attrs()?;
            Ok((NearestResize { size }.into(), &["x"]))
        }
        "max_pool" => {
            let MaxPoolAttrs { kernel, stride, padding } = case.attrs()?;
            Ok((MaxPool { kernel, stride, padding }.into(), &["x"]))
        }
        "conv_transpose2d" => {
            let ConvTranspose2dAttrs { kernel, stride } = case.attrs()?;
            if case.get("in.weight")?.shape()[2..] != [kernel, kernel] {
                return Err(format!("the weight is not for a kernel of {kernel}"));
            }
            Ok((ConvTranspose2d { stride, padding: 0 }.into(), &["x", "weight", "bias"]))
        }
        other => Err(format!("unknown operator {other:?}")),
    }
}
