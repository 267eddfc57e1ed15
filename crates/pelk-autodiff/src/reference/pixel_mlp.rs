//! The pixel MLP as one operator.

use super::ReferenceBackend;
use crate::backend::PixelMlpOps;

impl PixelMlpOps for ReferenceBackend {}
