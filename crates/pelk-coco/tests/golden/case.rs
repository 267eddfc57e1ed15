//! Reading a golden case: its operator, attributes and tensors.

use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::Path;

pub struct Case {
    pub op: String,
    pub attrs: serde_json::Value,
    /// Shape and values of each tensor; integers become floats, which hold these exactly.
    tensors: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
    left: Vec<String>,
}

impl Case {
    pub fn read(path: &Path) -> Result<Case, String> {
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| error.to_string())?;
        let metadata = header.metadata().clone().ok_or("no metadata")?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| error.to_string())?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.iter() {
            let values = match view.dtype() {
                Dtype::F32 => {
                    let floats = view.data().as_chunks().0.iter();
                    floats.map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect()
                }
                Dtype::I64 => {
                    let integers = view.data().as_chunks().0.iter();
                    integers.map(|&bytes| i64::from_le_bytes(bytes) as f64).collect()
                }
                other => return Err(format!("{name} holds {other:?}")),
            };
            tensors.insert(name.to_owned(), (view.shape().to_vec(), values));
        }
        Ok(Case {
            op: metadata.get("op").ok_or("no op")?.clone(),
            attrs: serde_json::from_str(metadata.get("attrs").map_or("null", String::as_str))
                .map_err(|error| error.to_string())?,
            left: tensors.keys().filter(|name| name.starts_with("out.")).cloned().collect(),
            tensors,
        })
    }

    pub fn get(&self, name: &str) -> Result<(&[usize], &[f64]), String> {
        let (shape, values) = self.tensors.get(name).ok_or_else(|| format!("the case has no {name}"))?;
        Ok((shape, values))
    }

    /// Compares with the output called `name`, which was rounded to `f32`; the value itself must agree to
    /// 1e-12.
    pub fn compare(&mut self, name: &str, shape: &[usize], actual: &[f64]) -> Result<(), String> {
        self.left.retain(|left| left != name);
        let (expected_shape, expected) = self.get(name)?;
        if shape != expected_shape || actual.len() != expected.len() {
            return Err(format!("{name} has shape {shape:?}, expected {expected_shape:?}"));
        }
        let rounding = f64::from(f32::EPSILON) / 2.0;
        // NaN is never within.
        let within = |a: f64, e: f64| (a - e).abs() <= rounding * e.abs() + 1e-12;
        let differs = |&(_, (&a, &e)): &(usize, (&f64, &f64))| !within(a, e);
        match actual.iter().zip(expected).enumerate().find(differs) {
            None => Ok(()),
            Some((i, (actual, expected))) => Err(format!("{name}[{i}] is {actual}, expected {expected}")),
        }
    }

    pub fn all_compared(&self) -> Result<(), String> {
        if self.left.is_empty() { Ok(()) } else { Err(format!("not compared: {}", self.left.join(", "))) }
    }
}
