//! Training on the GPU: losses close to the CPU's, the same bits every time, constant memory, and an intact
//! checkpoint when the device is lost.

use crate::common::{Recorder, STEPS, config, datasets, restored, trainer, up_to};
use pelk_autodiff::{CpuBackend, GpuBackend};
use pelk_train::{Checkpoint, Limits, TrainConfig, TrainError, Trainer};
use pelk_wgpu::{Gpu, Options};

fn on(gpu: Gpu, config: TrainConfig) -> Trainer<GpuBackend> {
    Trainer::new(GpuBackend::new(gpu), config, datasets()).unwrap()
}

/// Trains up to `step` on the GPU, from the checkpoint in `recorder`'s folder if there is one.
fn go_on(gpu: Gpu, config: TrainConfig, recorder: &mut Recorder, step: u64) {
    let mut trainer = on(gpu, config);
    if recorder.last().exists() {
        trainer.restore(Checkpoint::read(&recorder.last()).unwrap(), &recorder.last()).unwrap();
    }
    trainer.run(up_to(step), recorder).unwrap();
}

fn losses(recorder: &Recorder) -> Vec<f64> {
    recorder.reports.iter().filter_map(|report| report.loss).collect()
}

#[test]
fn losses_are_those_of_the_cpu() {
    let Some(gpu) = pelk_testing::gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut recorders = [Recorder::new(folder.path()), Recorder::new(folder.path())];
    // A small rate, since a network of eight channels on batches of four quickly magnifies rounding errors.
    let settings = ["optimizer.learning_rate=0.001"];
    trainer(config(&settings)).run(up_to(STEPS), &mut recorders[0]).unwrap();
    on(gpu, config(&settings)).run(up_to(STEPS), &mut recorders[1]).unwrap();
    let [cpu, gpu] = recorders.each_ref().map(losses);
    assert_eq!(gpu.len() as u64, STEPS);
    for (step, (cpu, gpu)) in cpu.iter().zip(&gpu).enumerate() {
        assert!((cpu - gpu).abs() <= 1e-3 * cpu, "step {}: {gpu} instead of {cpu}", step + 1);
    }
    for (cpu, gpu) in recorders[0].rows.iter().zip(&recorders[1].rows) {
        let [cpu_loss, gpu_loss] = [cpu, gpu].map(|row| row.test.loss().unwrap());
        assert!((cpu_loss - gpu_loss).abs() <= 1e-3 * cpu_loss, "{gpu:?} instead of {cpu:?}");
    }
}

fn pauses_leave_no_trace(settings: &[&str]) {
    let Some(gpu) = pelk_testing::gpu() else { return };
    let whole = tempfile::tempdir().unwrap();
    let mut whole = Recorder::new(whole.path());
    go_on(gpu.clone(), config(settings), &mut whole, STEPS);
    let paused = tempfile::tempdir().unwrap();
    let mut paused = Recorder::new(paused.path());
    for step in [3, 10, STEPS] {
        go_on(gpu.clone(), config(settings), &mut paused, step);
    }
    assert_eq!(losses(&paused), losses(&whole));
    assert!(paused.bytes() == whole.bytes(), "a pause changed the result");
}

#[test]
fn a_run_that_pauses_ends_in_the_same_bytes_as_one_that_does_not() {
    pauses_leave_no_trace(&[]);
}

#[test]
fn the_same_holds_in_16_bits() {
    let Some(gpu) = pelk_testing::gpu() else { return };
    if gpu.storing_float16().is_ok() {
        pauses_leave_no_trace(&["batch.float16=true"]);
    }
}

#[test]
fn sixteen_bits_train_nearly_as_well() {
    let Some(gpu) = pelk_testing::gpu() else { return };
    if gpu.clone().storing_float16().is_err() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut recorders = [Recorder::new(folder.path()), Recorder::new(folder.path())];
    let settings = ["optimizer.learning_rate=0.001"];
    on(gpu.clone(), config(&settings)).run(up_to(STEPS), &mut recorders[0]).unwrap();
    let half = config(&[settings[0], "batch.float16=true"]);
    on(gpu, half).run(up_to(STEPS), &mut recorders[1]).unwrap();
    let [wide, narrow] = recorders.each_ref().map(losses);
    for (step, (wide, narrow)) in wide.iter().zip(&narrow).enumerate() {
        assert!((wide - narrow).abs() <= 0.02 * wide, "step {}: {narrow} instead of {wide}", step + 1);
    }
    assert!(recorders[1].reports.iter().all(|report| !report.skipped && report.gradient_norm.is_finite()));
    let scaled = Checkpoint::read(&recorders[1].last()).unwrap().description.training.unwrap().loss_scale;
    assert_eq!(scaled.unwrap().factor(), 65_536.0);
}

#[test]
fn a_gradient_that_overflows_its_16_bits_costs_a_step_and_no_more() {
    let Some(gpu) = pelk_testing::gpu() else { return };
    if gpu.clone().storing_float16().is_err() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(folder.path());
    // Dense and unmixed: masks change weights too, before the first step, and mixed batches overflow at
    // random.
    let half = || config(&["batch.float16=true", "sparsity.sparsity=0", "data.mix.probability=0"]);
    // The largest possible factor, with which the gradient of the logits exceeds 65,504.
    let mut checkpoint = on(gpu.clone(), half()).checkpoint().unwrap();
    let scale = r#"{ "factor": 16777216.0, "good_steps": 7 }"#;
    checkpoint.description.training.as_mut().unwrap().loss_scale = Some(serde_json::from_str(scale).unwrap());
    let before = checkpoint.tensors.clone();
    let mut trainer = on(gpu, half());
    trainer.restore(checkpoint, folder.path()).unwrap();

    trainer.run(up_to(1), &mut recorder).unwrap();
    let first = recorder.reports[0];
    assert!(
        first.skipped && !first.gradient_norm.is_finite() && first.loss.is_some_and(f64::is_finite),
        "{first:?}"
    );
    let after = trainer.checkpoint().unwrap();
    assert_eq!(after.tensors["head.weight"], before["head.weight"]);
    assert_eq!(after.description.training.unwrap().loss_scale.unwrap().factor(), 8_388_608.0);

    trainer.run(up_to(STEPS), &mut recorder).unwrap();
    let skipped = recorder.reports.iter().take_while(|report| report.skipped).count();
    assert!((2..STEPS as usize / 2).contains(&skipped), "{skipped} steps were skipped");
    assert!(recorder.reports[skipped..].iter().all(|report| !report.skipped));
    assert_ne!(trainer.checkpoint().unwrap().tensors["head.weight"], before["head.weight"]);
}

#[test]
fn sixteen_bits_need_a_device_that_has_them() {
    let error = Trainer::new(CpuBackend::new().unwrap(), config(&["batch.float16=true"]), datasets());
    let error = error.err().unwrap().to_string();
    assert!(error.contains("16-bit floats") && error.contains("cpu"), "{error}");
}

#[test]
fn memory_does_not_grow() {
    let Some(gpu) = pelk_testing::own_gpu(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = on(gpu.clone(), config(&[]));
    // One epoch with its evaluation has used buffers of all sizes.
    trainer.run(up_to(6), &mut Recorder::new(folder.path())).unwrap();
    let before = gpu.memory_use();
    trainer.run(up_to(STEPS), &mut Recorder::new(folder.path())).unwrap();
    assert_eq!(gpu.memory_use(), before);
}

#[test]
fn a_run_that_diverges_ends_before_it_spoils_anything() {
    let Some(gpu) = pelk_testing::gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(folder.path());
    let mut trainer = on(gpu, config(&["optimizer.learning_rate=1e30", "schedule.warmup_epochs=0"]));
    let limits = Limits { checkpoint_every: Some(1), ..Limits::default() };
    let error = trainer.run(limits, &mut recorder).unwrap_err();
    let TrainError::NotFinite { step, .. } = error else { panic!("{error}") };
    let last = Checkpoint::read(&recorder.last()).unwrap();
    assert_eq!(last.description.step, step - 1);
    assert!(last.tensors.values().all(|tensor| tensor.iter().all(|value| value.is_finite())));
}

#[test]
fn a_lost_device_ends_the_run_and_the_last_checkpoint_is_whole() {
    // Between two checkpoints, and in a step whose checkpoint is due: the last one is that of step 6, the
    // epoch's.
    for after in [7, 8] {
        let Some(gpu) = pelk_testing::own_gpu(Options::default()) else { return };
        let folder = tempfile::tempdir().unwrap();
        let mut trainer = on(gpu.clone(), config(&[]));
        let mut recorder = Recorder::new(folder.path());
        recorder.after_step = Box::new(move |step| {
            if step == after {
                gpu.destroy();
            }
        });
        let limits = Limits { checkpoint_every: Some(4), ..Limits::default() };
        let error = trainer.run(limits, &mut recorder).unwrap_err();
        assert!(matches!(error, TrainError::Model(_)), "{error:?}");
        assert!(error.to_string().contains("was lost"), "{error}");
        // Training resumes on the CPU.
        let mut trainer = restored(config(&[]), &recorder.last()).unwrap();
        assert_eq!(trainer.step(), 6);
        trainer.run(Limits::default(), &mut Recorder::new(folder.path())).unwrap();
    }
}
