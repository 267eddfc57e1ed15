//! Reading a golden case, and comparing with a tolerance.

use ndarray::{ArrayD, Axis, IxDyn};
use pelk_autodiff::{Backend, Shape};
use safetensors::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Relative to the largest magnitude of the tensor.
pub const VALUES: f32 = 1e-5;
pub const GRADIENTS: f32 = 1e-4;
pub const TEN_STEPS: f32 = 1e-3;

pub struct Case {
    pub op: String,
    pub attrs: serde_json::Value,
    pub floats: BTreeMap<String, ArrayD<f32>>,
    pub integers: BTreeMap<String, Vec<i64>>,
    left: BTreeSet<String>,
}

/// Turns N, C, .. into N, .., C, and leaves vectors and matrices unchanged.
pub fn channels_last(array: &ArrayD<f32>) -> ArrayD<f32> {
    let mut view = array.view();
    if array.ndim() == 4 {
        view.swap_axes(1, 2);
        view.swap_axes(2, 3);
    }
    view.as_standard_layout().into_owned()
}

/// The inverse of [`channels_last`].
pub fn channels_first(array: &ArrayD<f32>) -> ArrayD<f32> {
    let mut view = array.view();
    if array.ndim() == 4 {
        view.swap_axes(2, 3);
        view.swap_axes(1, 2);
    }
    view.as_standard_layout().into_owned()
}

pub fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Case {
    pub fn read(path: &Path) -> Result<Case, String> {
        let bytes = std::fs::read(path).map_err(text)?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(text)?;
        let metadata = header.metadata().clone().ok_or("no metadata")?;
        let file = SafeTensors::deserialize(&bytes).map_err(text)?;
        let (mut floats, mut integers) = (BTreeMap::new(), BTreeMap::new());
        for (name, view) in file.iter() {
            match view.dtype() {
                Dtype::F32 => {
                    let values = view.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
                    floats.insert(
                        name.to_owned(),
                        ArrayD::from_shape_vec(IxDyn(view.shape()), values).map_err(text)?,
                    );
                }
                Dtype::I64 => {
                    let values = view.data().as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)).collect();
                    integers.insert(name.to_owned(), values);
                }
                other => return Err(format!("{name} holds {other:?}")),
            }
        }
        let names = floats.keys().chain(integers.keys());
        let left = names.filter(|name| name.starts_with("out.") || name.starts_with("grad."));
        Ok(Case {
            op: metadata.get("op").ok_or("no op")?.clone(),
            attrs: serde_json::from_str(metadata.get("attrs").ok_or("no attrs")?).map_err(text)?,
            left: left.cloned().collect(),
            floats,
            integers,
        })
    }

    /// The attributes; one that `T` does not know is an error.
    pub fn attrs<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_value(self.attrs.clone()).map_err(|error| format!("attributes: {error}"))
    }

    pub fn get(&self, name: &str) -> Result<&ArrayD<f32>, String> {
        self.floats.get(name).ok_or_else(|| format!("the case holds no {name}"))
    }

    pub fn labels(&self) -> Result<Vec<i64>, String> {
        self.integers.get("in.target").cloned().ok_or_else(|| "the case holds no in.target".into())
    }

    /// The names `prefix` + something, without the prefix.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        self.floats.keys().filter_map(|name| name.strip_prefix(prefix)).map(str::to_owned).collect()
    }

    /// Compares `actual`, in PyTorch's layout, with the tensor called `name`.
    pub fn compare(&mut self, name: &str, actual: &ArrayD<f32>, tolerance: f32) -> Result<(), String> {
        self.left.remove(name);
        let expected = self.get(name)?;
        if actual.shape() != expected.shape() {
            return Err(format!("{name} has shape {:?}, expected {:?}", actual.shape(), expected.shape()));
        }
        let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        let worst = actual.iter().zip(expected).map(|(a, e)| (a - e).abs()).fold(0.0f32, |worst, error| {
            // Comparisons with NaN are false, so NaN must be kept explicitly.
            if error.is_nan() || worst.is_nan() { f32::NAN } else { worst.max(error) }
        });
        if worst <= tolerance * largest.max(f32::MIN_POSITIVE) {
            return Ok(());
        }
        Err(format!(
            "{name} differs by {worst:e}, {:e} of the largest value; allowed {tolerance:e}",
            worst / largest
        ))
    }

    /// Compares integers, which must be equal.
    pub fn compare_integers(&mut self, name: &str, actual: &[i64]) -> Result<(), String> {
        self.left.remove(name);
        let expected = self.integers.get(name).ok_or_else(|| format!("the case holds no {name}"))?;
        if actual.len() != expected.len() {
            return Err(format!("{name} has {} values, expected {}", actual.len(), expected.len()));
        }
        match actual.iter().zip(expected).position(|(a, e)| a != e) {
            Some(i) => Err(format!("{name}[{i}] is {}, expected {}", actual[i], expected[i])),
            None => Ok(()),
        }
    }

    /// Same as [`Case::compare`], for a tensor in channels-last layout.
    pub fn compare_tensor<B: Backend>(
        &mut self,
        backend: &B,
        name: &str,
        actual: &B::Tensor,
        tolerance: f32,
    ) -> Result<(), String> {
        let array = pelk_autodiff::to_host(backend, actual).map_err(text)?;
        self.compare(name, &channels_first(&array), tolerance)
    }

    /// Compares the running statistics after a pass: the updated ones match, and the others are unchanged.
    /// `called` maps a name of the case to the network's.
    pub fn compare_statistics<B: Backend>(
        &mut self,
        backend: &B,
        renewed: &BTreeMap<String, B::Tensor>,
        called: impl Fn(&str) -> String,
    ) -> Result<(), String> {
        for name in self.names("out.").into_iter().filter(|name| name.contains("running")) {
            let array = match renewed.get(&called(&name)) {
                Some(tensor) => pelk_autodiff::to_host(backend, tensor).map_err(text)?,
                None => self.get(&format!("in.{name}"))?.clone(),
            };
            self.compare(&format!("out.{name}"), &array, VALUES)?;
        }
        Ok(())
    }

    /// Counts everything as compared: another suite does it.
    pub fn pass_over(&mut self) {
        self.left.clear();
    }

    pub fn all_compared(&self) -> Result<(), String> {
        if self.left.is_empty() { Ok(()) } else { Err(format!("not compared: {:?}", self.left)) }
    }
}

pub fn upload<B: Backend>(backend: &B, array: &ArrayD<f32>) -> Result<B::Tensor, String> {
    let array = array.as_standard_layout();
    backend.upload(&Shape::from(array.shape()), array.as_slice().ok_or("not contiguous")?).map_err(text)
}

/// A weight of a single pooled row, `[N, 1, 1, K]`, as `[N, K]`.
pub fn rows(array: ArrayD<f32>) -> ArrayD<f32> {
    array.index_axis_move(Axis(1), 0).index_axis_move(Axis(1), 0)
}
