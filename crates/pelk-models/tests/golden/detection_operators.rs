//! Golden cases of the operators that only detectors use.

use crate::case::Case;
use pelk_autodiff::Op;
use pelk_autodiff::operators::{MaxPool, NearestResize};
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
        other => Err(format!("unknown operator {other:?}")),
    }
}
