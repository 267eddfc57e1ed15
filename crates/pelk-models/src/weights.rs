//! Weights in safetensors files, readable from Python.

mod damage;
mod foreign;
mod numbers;

use crate::error::{ModelError, Result};
use ndarray::{ArrayD, IxDyn, ShapeError};
use pelk_autodiff::HostParameters;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::path::Path;

/// Prefix of the names of masks in a file.
const MASK: &str = "mask.";

/// Which values of a tensor are present, by its name.
pub type HostMasks = BTreeMap<String, ArrayD<bool>>;

const METADATA_KEY: &str = "pelk";

/// Named tensors together with a description.
#[derive(Debug, Clone, Default)]
pub struct WeightsFile {
    /// The tensors by name.
    pub tensors: HostParameters,
    /// Masks by the name of what they mask; in the file they are tensors of BOOL with `mask.` before that
    /// name.
    pub masks: HostMasks,
    /// A description in free text, such as the network's configuration as JSON; under the key `pelk` in the
    /// file. Only one text, since the format does not order several and equal weights must make equal files.
    pub metadata: Option<String>,
    /// How many tensors were converted from each other type of float; empty when writing.
    pub converted: BTreeMap<String, usize>,
    /// The types of the tensors that are not floats, such as counters of steps, by name; their values are not
    /// read. Empty when writing.
    pub others: BTreeMap<String, String>,
}

impl WeightsFile {
    /// The content of the file, see [`WeightsFile::write`].
    ///
    /// # Errors
    /// When the format cannot hold it.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        WeightsFile::write(&self.tensors, &self.masks, self.metadata.as_deref(), &mut bytes)?;
        Ok(bytes)
    }

    /// Writes the tensors as 32-bit floats and the masks as bytes of 0 and 1, without a copy of them in
    /// memory.
    ///
    /// # Errors
    /// When the format cannot hold them or the writer fails.
    pub fn write(
        tensors: &HostParameters,
        masks: &HostMasks,
        metadata: Option<&str>,
        writer: &mut dyn Write,
    ) -> io::Result<()> {
        let mut end = 0;
        let mut place = |name: String, dtype: Dtype, shape: &[usize]| {
            let start = end;
            end += shape.iter().product::<usize>() * dtype.bitsize() / 8;
            (name, TensorInfo { dtype, shape: shape.to_vec(), data_offsets: (start, end) })
        };
        // By falling size of an element, then by name, as the format's own writer sorts.
        let floats = tensors.iter().map(|(name, array)| (name.clone(), Dtype::F32, array.shape()));
        let bools = masks.iter().map(|(name, array)| (format!("{MASK}{name}"), Dtype::BOOL, array.shape()));
        let places = floats.chain(bools).map(|(name, dtype, shape)| place(name, dtype, shape)).collect();
        let metadata = metadata.map(|text| HashMap::from([(METADATA_KEY.to_owned(), text.to_owned())]));
        let header = Metadata::new(metadata, places).map_err(io::Error::other)?;
        let mut header = serde_json::to_vec(&header)?;
        header.resize(header.len().next_multiple_of(8), b' ');
        writer.write_all(&(header.len() as u64).to_le_bytes())?;
        writer.write_all(&header)?;
        for array in tensors.values() {
            write_in_blocks(array.iter().flat_map(|value| value.to_le_bytes()), writer)?;
        }
        for array in masks.values() {
            write_in_blocks(array.iter().map(|&present| u8::from(present)), writer)?;
        }
        Ok(())
    }

    /// Decodes what [`WeightsFile::to_bytes`] or another program wrote; `path` is for messages only. Floats
    /// of 16 and 64 bits become floats of 32 bits.
    ///
    /// # Errors
    /// When the bytes are not a safetensors file; the message says what they are, as far as they can be
    /// recognized.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<WeightsFile> {
        let refuse = |reason: String| ModelError::Weights { path: path.to_owned(), reason };
        let damaged = |error: safetensors::SafeTensorError| {
            refuse(foreign::what_it_is(bytes, path).unwrap_or_else(|| damage::of(bytes, &error)))
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let (mut tensors, mut masks) = (HostParameters::new(), HostMasks::new());
        let (mut converted, mut others) = (BTreeMap::new(), BTreeMap::new());
        for (name, view) in file.iter() {
            let misshapen = |error: ShapeError| refuse(format!("tensor {name:?}: {error}"));
            let dtype = view.dtype();
            if let (Dtype::BOOL, Some(masked)) = (dtype, name.strip_prefix(MASK)) {
                let present = view.data().iter().map(|&byte| byte != 0).collect();
                let array = ArrayD::from_shape_vec(IxDyn(view.shape()), present);
                masks.insert(masked.to_owned(), array.map_err(misshapen)?);
            } else if let Some(values) = numbers::floats(dtype, view.data()) {
                let array = ArrayD::from_shape_vec(IxDyn(view.shape()), values);
                tensors.insert(name.to_owned(), array.map_err(misshapen)?);
                if dtype != Dtype::F32 {
                    *converted.entry(format!("{dtype:?}")).or_default() += 1;
                }
            } else {
                others.insert(name.to_owned(), format!("{dtype:?}"));
            }
        }
        let metadata = header.metadata().as_ref().and_then(|all| all.get(METADATA_KEY)).cloned();
        Ok(WeightsFile { tensors, masks, metadata, converted, others })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is not a weights file.
    pub fn read(path: &Path) -> Result<WeightsFile> {
        let bytes = std::fs::read(path).map_err(|source| ModelError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        WeightsFile::from_bytes(path, &bytes)
    }
}

/// Writes bytes that are computed on the way.
fn write_in_blocks(mut bytes: impl Iterator<Item = u8>, writer: &mut dyn Write) -> io::Result<()> {
    const BLOCK: usize = 1 << 20;
    let mut block = Vec::with_capacity(BLOCK);
    loop {
        block.clear();
        block.extend(bytes.by_ref().take(BLOCK));
        if block.is_empty() {
            return Ok(());
        }
        writer.write_all(&block)?;
    }
}
