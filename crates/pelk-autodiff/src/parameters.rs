//! A network's named tensors on a device.

use crate::{Backend, Error, ParameterSpec, Result, Shape};
use ndarray::{Array, ArrayD, Dimension, IxDyn};
use std::collections::BTreeMap;

/// Named tensors on the host, in PyTorch's shapes.
pub type HostParameters = BTreeMap<String, ArrayD<f32>>;

/// A network's parameters and buffers on a device, by dotted name.
#[derive(Debug, Clone)]
pub struct Parameters<B: Backend>(BTreeMap<String, B::Tensor>);

impl<B: Backend> Parameters<B> {
    /// Copies host tensors to the device.
    ///
    /// # Errors
    /// When the device returns an error.
    pub fn upload(backend: &B, host: &HostParameters) -> Result<Parameters<B>> {
        let upload = |(name, array): (&String, &ArrayD<f32>)| Ok((name.clone(), from_host(backend, array)?));
        Ok(Parameters(host.iter().map(upload).collect::<Result<_>>()?))
    }

    /// Copies the tensors back to the host.
    ///
    /// # Errors
    /// When the device returns an error.
    pub fn download(&self, backend: &B) -> Result<HostParameters> {
        self.0.iter().map(|(name, tensor)| Ok((name.clone(), to_host(backend, tensor)?))).collect()
    }

    /// The tensor that a network needs.
    ///
    /// # Errors
    /// When it is missing or has another shape.
    pub fn get(&self, backend: &B, spec: &ParameterSpec) -> Result<&B::Tensor> {
        let tensor = self
            .0
            .get(&spec.name)
            .ok_or_else(|| Error::MissingParameter { name: spec.name.clone(), shape: spec.shape.clone() })?;
        let actual = backend.shape(tensor);
        if *actual == spec.shape {
            return Ok(tensor);
        }
        Err(Error::ParameterShape {
            name: spec.name.clone(),
            expected: spec.shape.clone(),
            actual: actual.clone(),
        })
    }

    /// The tensors by name.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &B::Tensor)> {
        self.0.iter()
    }

    /// The tensor called `name`, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut B::Tensor> {
        self.0.get_mut(name)
    }

    /// Replaces tensors, for instance the buffers after a training pass.
    pub fn replace(&mut self, tensors: BTreeMap<String, B::Tensor>) {
        self.0.extend(tensors);
    }
}

/// Copies one array to the device, in its logical order, whatever its memory layout.
///
/// # Errors
/// When the device returns an error.
pub fn from_host<B: Backend, D: Dimension>(backend: &B, array: &Array<f32, D>) -> Result<B::Tensor> {
    let shape = Shape::from(array.shape());
    match array.as_slice() {
        Some(values) => backend.upload(&shape, values),
        None => backend.upload(&shape, &array.iter().copied().collect::<Vec<_>>()),
    }
}

/// Copies one tensor to the host.
///
/// # Errors
/// When the device returns an error.
pub fn to_host<B: Backend>(backend: &B, tensor: &B::Tensor) -> Result<ArrayD<f32>> {
    let shape = backend.shape(tensor);
    let values = backend.download(tensor)?;
    let actual = values.len();
    ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|_| Error::Length { shape: shape.clone(), actual })
}
