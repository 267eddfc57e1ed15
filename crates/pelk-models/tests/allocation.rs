//! A recorded network runs in the memory that its first image allocated.

use pelk_autodiff::{CpuBackend, Parameters, Shape, Storage};
use pelk_models::{Network, NetworkConfig, initialize, zoo};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes that a run may allocate: for tensors in the first run, for bookkeeping in all runs.
#[test]
fn no_tensor_is_allocated_after_the_first_image() {
    let config = zoo::model("pelk_atto").unwrap().configure(1, 10).unwrap();
    let network = Network::new(NetworkConfig { folded: true, ..config }).unwrap();
    let backend = CpuBackend::new().unwrap();
    let parameters = Parameters::upload(&backend, &initialize(&network, 0).unwrap()).unwrap();
    let shape = Shape::from([1, 112, 112, 1]);
    let mut session = network.session(&backend, &parameters, &shape).unwrap();
    let images: Vec<_> = (0..20).map(|_| backend.zeros(&shape).unwrap()).collect();
    let mut bytes = Vec::new();
    for image in images {
        let region = Region::new(ALLOCATOR);
        session.run(image).unwrap();
        bytes.push(region.change().bytes_allocated);
    }
    assert!(bytes[0] > 4 << 20, "the first image fills the pool: {bytes:?}");
    assert!(
        bytes[10..].iter().all(|bytes| *bytes < 128 << 10),
        "later ones need only bookkeeping: {bytes:?}"
    );
}
