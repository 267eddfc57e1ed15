//! Weights in safetensors files, readable from Python.

use crate::error::{ModelError, Result};
use ndarray::{ArrayD, IxDyn};
use pelk_autodiff::HostParameters;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::Path;

const METADATA_KEY: &str = "pelk";

/// Named tensors together with text about them.
#[derive(Debug, Clone, Default)]
pub struct WeightsFile {
    /// The tensors by name.
    pub tensors: HostParameters,
    /// Free text about them, such as the network's configuration as JSON; under the key `pelk` in the file. One text
    /// only, since the format keeps no order among several and equal weights must make equal files.
    pub metadata: Option<String>,
}

impl WeightsFile {
    /// Encodes the tensors as 32-bit floats.
    ///
    /// # Errors
    /// When the format cannot hold them.
    pub fn to_bytes(&self) -> std::result::Result<Vec<u8>, safetensors::SafeTensorError> {
        WeightsFile::encode(&self.tensors, self.metadata.as_deref())
    }

    /// As [`WeightsFile::to_bytes`], of tensors that stay where they are.
    ///
    /// # Errors
    /// When the format cannot hold them.
    pub fn encode(
        tensors: &HostParameters,
        metadata: Option<&str>,
    ) -> std::result::Result<Vec<u8>, safetensors::SafeTensorError> {
        let encoded: Vec<(&String, Vec<usize>, Vec<u8>)> = tensors
            .iter()
            .map(|(name, array)| {
                (name, array.shape().to_vec(), array.iter().flat_map(|v| v.to_le_bytes()).collect())
            })
            .collect();
        let views = encoded
            .iter()
            .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
            .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()?;
        let metadata = metadata.map(|text| HashMap::from([(METADATA_KEY.to_owned(), text.to_owned())]));
        safetensors::serialize(views, metadata)
    }

    /// Decodes what [`WeightsFile::to_bytes`] or another program wrote; `path` is for messages only.
    ///
    /// # Errors
    /// When the bytes are no safetensors file or hold anything but 32-bit floats.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<WeightsFile> {
        let refuse = |reason: String| ModelError::Weights { path: path.to_owned(), reason };
        let damaged = |error: safetensors::SafeTensorError| {
            refuse(format!(
                "it is damaged, cut short or of another format ({error}); use a whole .safetensors file"
            ))
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let mut tensors = HostParameters::new();
        for (name, view) in file.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(refuse(format!("tensor {name:?} holds {:?}; only F32 is read", view.dtype())));
            }
            let values = view.data().as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
            let array = ArrayD::from_shape_vec(IxDyn(view.shape()), values)
                .map_err(|error| refuse(format!("tensor {name:?}: {error}")))?;
            tensors.insert(name.to_owned(), array);
        }
        let metadata = header.metadata().as_ref().and_then(|all| all.get(METADATA_KEY)).cloned();
        Ok(WeightsFile { tensors, metadata })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is no weights file.
    pub fn read(path: &Path) -> Result<WeightsFile> {
        let bytes = std::fs::read(path).map_err(|source| ModelError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        WeightsFile::from_bytes(path, &bytes)
    }
}
