//! Every operator again in `f64`, one obvious loop nest each: the oracle of the tests.
//!
//! Slow on purpose, single-threaded, and as close to the defining formula as code can be. The gradients are
//! checked against finite differences of the forward functions. Lengths are not checked: slices that do not
//! fit their shape panic.

pub mod activation;
pub mod batch_norm;
pub mod conv2d;
pub mod depthwise;
pub mod detection_loss;
pub mod elementwise;
pub mod layer_norm;
pub mod linear;
pub mod loss;
pub mod max_pool;
pub mod optimizer;
pub mod resample;
pub mod roi_align;
