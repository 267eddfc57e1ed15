//! CPU operators of large-kernel ConvNets, forward and backward, SIMD and multi-threaded.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod simd;
