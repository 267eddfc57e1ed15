//! What holds for a device whatever runs on it: values come back, memory is recycled, and failures are
//! errors. The operators themselves are tested by the suites of pelk-autodiff and pelk-models.

use pelk_wgpu::{Adapter, Element, GpuError, Options};

fn values(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * 0.37).sin()).collect()
}

#[test]
fn values_come_back_in_the_order_of_what_was_recorded() {
    let Some(gpu) = pelk_testing::gpu() else { return };
    for n in [1, 63, 64, 1000, 300_001] {
        let x = values(n);
        let buffer = gpu.upload(&x).unwrap();
        let copy = gpu.copy(&buffer).unwrap();
        gpu.scale_assign(&buffer, 2.0).unwrap();
        // Uses memory that was just freed, although its reader may not have run yet.
        drop(gpu.add(&buffer, &copy).unwrap());
        let other = gpu.upload(&vec![7.0; n]).unwrap();
        assert_eq!(gpu.download(&copy).unwrap(), x);
        assert!(gpu.download(&buffer).unwrap().iter().zip(&x).all(|(y, x)| *y == 2.0 * x));
        assert!(gpu.download(&other).unwrap().iter().all(|y| *y == 7.0));
        assert!(gpu.download(&gpu.zeros(n).unwrap()).unwrap().iter().all(|y| *y == 0.0));
    }
    assert_eq!(gpu.download(&gpu.upload_integers(&[-3, 0, 70_000]).unwrap()).unwrap(), [-3.0, 0.0, 70_000.0]);
    assert_eq!(gpu.download(&gpu.upload(&[]).unwrap()).unwrap(), [0.0; 0]);
}

#[test]
fn float16_keeps_eleven_bits() {
    let Some(gpu) = pelk_testing::gpu() else { return };
    let half = match gpu.storing_float16() {
        Ok(half) => half,
        Err(error) => return assert!(error.to_string().contains("SHADER_F16"), "{error}"),
    };
    let x = [1.0, -0.5, 1.0 + 1.0 / 1024.0, 1.0 + 1.0 / 8192.0, 65504.0, 0.0];
    let narrow = half.convert(&half.upload(&x).unwrap(), Element::F16).unwrap();
    assert_eq!(narrow.element(), Element::F16);
    assert_eq!(half.download(&narrow).unwrap(), [1.0, -0.5, 1.0 + 1.0 / 1024.0, 1.0, 65504.0, 0.0]);
    assert_eq!(half.add(&narrow, &narrow).unwrap().element(), Element::F16);
    // Scaling keeps a parameter in float32 and an activation in float16.
    let parameter = half.upload(&[1e-6]).unwrap();
    assert_eq!(half.download(&half.scale_samples(1, &parameter, &[0.5]).unwrap()).unwrap(), [5e-7]);
    assert_eq!(half.scale_samples(1, &narrow, &[0.5]).unwrap().element(), Element::F16);
}

#[test]
fn memory_is_recycled() {
    let Some(gpu) = pelk_testing::own_gpu(Options::default()) else { return };
    let step = || {
        let x = gpu.upload(&values(50_000)).unwrap();
        let y = gpu.gelu(&x).unwrap();
        gpu.download(&gpu.column_sum(&y, 50).unwrap()).unwrap()
    };
    let first = step();
    let after_one = gpu.memory_use();
    assert_eq!(after_one.live, 0);
    assert!(after_one.idle > 0 && after_one.idle <= after_one.peak, "{after_one:?}");
    for _ in 0..100 {
        assert_eq!(step(), first);
    }
    assert_eq!(gpu.memory_use(), after_one);
}

#[test]
fn threads_may_share_a_device() {
    let Some(gpu) = pelk_testing::gpu() else { return };
    std::thread::scope(|scope| {
        for seed in 0..4_usize {
            let gpu = gpu.clone();
            scope.spawn(move || {
                for round in 0..50 {
                    let value = (seed * 1000 + round) as f32;
                    let x = gpu.upload(&vec![value; 100 + seed]).unwrap();
                    let y = gpu.add(&x, &x).unwrap();
                    assert!(gpu.download(&y).unwrap().iter().all(|y| *y == 2.0 * value));
                }
            });
        }
    });
}

#[test]
fn a_lost_device_is_an_error_everywhere() {
    let Some(gpu) = pelk_testing::own_gpu(Options::default()) else { return };
    let x = gpu.upload(&values(100)).unwrap();
    let y = gpu.gelu(&x).unwrap();
    gpu.destroy();
    let lost = |error: GpuError| {
        assert!(matches!(error, GpuError::Lost { .. }), "{error}");
        assert!(error.to_string().contains("lost"), "{error}");
    };
    lost(gpu.download(&y).unwrap_err());
    lost(gpu.gelu(&x).unwrap_err());
    lost(gpu.empty(12345, Element::F32).unwrap_err());
    lost(gpu.finish().unwrap_err());
}

#[test]
fn what_no_buffer_holds_is_an_error() {
    let Some(gpu) = pelk_testing::gpu() else { return };
    for len in [i32::MAX as usize, usize::MAX] {
        let error = gpu.empty(len, Element::F32).unwrap_err();
        assert!(matches!(error, GpuError::TooLarge { limit_name: "maxBufferSize", .. }), "{error}");
    }
    assert_eq!(gpu.download(&gpu.upload(&[1.0]).unwrap()).unwrap(), [1.0], "the device still works");
}

#[test]
fn a_name_that_no_adapter_has_is_an_error_that_lists_them() {
    let Some(gpu) = pelk_testing::gpu() else { return };
    let error = Adapter::matching("no such card").unwrap_err().to_string();
    assert!(error.contains("no such card") && error.contains(gpu.name()), "{error}");
    assert_eq!(Adapter::matching("0").unwrap().name(), gpu.name());
    assert!(Adapter::matching(&gpu.name().to_uppercase()).is_ok());
}

#[test]
fn work_is_timed_and_profiled() {
    let Some(gpu) = pelk_testing::own_gpu(Options::default()) else { return };
    let x = gpu.upload(&values(1 << 20)).unwrap();
    let (time, y) = gpu.timed(|| gpu.gelu(&x)).unwrap();
    assert!(!time.is_zero() && y.len() == x.len());
    let (result, profile) = gpu.profiled(|| gpu.gelu(&x));
    result.unwrap();
    assert_eq!(profile.keys().copied().collect::<Vec<_>>(), ["gelu"]);
    assert_eq!(profile["gelu"].calls, 1);
}
