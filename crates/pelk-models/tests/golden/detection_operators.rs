//! Golden cases of the operators that only detectors use.

use crate::case::Case;
use pelk_autodiff::Op;
use pelk_autodiff::operators::NearestResize;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SizeAttrs {
    size: [usize; 2],
}

/// The operator of a case, and the names of its inputs.
pub fn operator(case: &Case) -> Result<(Op, &'static [&'static str]), String> {
    match case.op.as_str() {
        "nearest_resize" => {
            let SizeAttrs { size } = case.attrs()?;
            Ok((NearestResize { size }.into(), &["x"]))
        }
        other => Err(format!("unknown operator {other:?}")),
    }
}
