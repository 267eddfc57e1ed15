//! Recording many operators into one submission.

use crate::memory::{Buffer, Element};
use crate::{Gpu, Result};
use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};
use wgpu::util::StagingBelt;

/// Bytes between the scalars of successive launches: the largest alignment of uniform offsets in WebGPU.
pub(crate) const SLOT: u64 = 256;
/// Launches per submission.
const SLOTS: u64 = 1024;
/// Multiply-adds after which recorded work is submitted. Drivers reset a device whose submission runs for a
/// few seconds; at the slowest GPU speed, about 50 G per second, this takes a third of a second.
const SUBMISSION_WORK: u64 = 1 << 34;
/// Uploads share staging buffers of this size; larger ones have their own, which are reused as well.
const STAGING: u64 = 1 << 20;

/// How long to wait for a callback that another thread runs: it normally comes almost at once.
const CALLBACK: Duration = Duration::from_secs(60);

/// One dispatch.
pub(crate) struct Launch<'a> {
    pub name: &'static str,
    pub pipeline: &'a wgpu::ComputePipeline,
    pub bindings: &'a wgpu::BindGroup,
    /// The values of the shader's `p`, in order.
    pub scalars: &'a [u32],
    /// Workgroups along x and y.
    pub workgroups: [u32; 2],
    /// Multiply-adds.
    pub work: u64,
}

/// Work recorded but not yet submitted.
pub(crate) struct Stream {
    // The pass ends before its encoder does.
    pass: Option<wgpu::ComputePass<'static>>,
    encoder: Option<wgpu::CommandEncoder>,
    scalars: Vec<u8>,
    work: u64,
    staging: StagingBelt,
    /// The time of each kernel so far, during [`Gpu::profiled`].
    profile: Option<BTreeMap<&'static str, KernelTime>>,
}

/// The time of one kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KernelTime {
    /// Dispatches.
    pub calls: usize,
    /// Total time of the dispatches, run one at a time.
    pub time: Duration,
}

impl Stream {
    pub fn new(device: &wgpu::Device) -> Stream {
        let staging = StagingBelt::new(device.clone(), STAGING);
        Stream { pass: None, encoder: None, scalars: Vec::new(), work: 0, staging, profile: None }
    }

    /// The scalars of a submission's launches on the device.
    pub fn scalar_buffer(device: &wgpu::Device) -> wgpu::Buffer {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("scalars"),
            size: SLOT * SLOTS,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    /// The encoder, outside of any pass.
    fn encoder(&mut self, device: &wgpu::Device) -> &mut wgpu::CommandEncoder {
        self.pass = None;
        self.encoder.get_or_insert_with(|| device.create_command_encoder(&Default::default()))
    }

    fn pass(&mut self, device: &wgpu::Device) -> &mut wgpu::ComputePass<'static> {
        let Stream { pass, encoder, .. } = self;
        pass.get_or_insert_with(|| {
            let encoder = encoder.get_or_insert_with(|| device.create_command_encoder(&Default::default()));
            encoder.begin_compute_pass(&Default::default()).forget_lifetime()
        })
    }

    fn submit(&mut self, gpu: &Gpu) {
        self.pass = None;
        let Some(encoder) = self.encoder.take() else { return };
        self.staging.finish();
        if !self.scalars.is_empty() {
            // The queue writes it after the last submission and before this one.
            gpu.queue().write_buffer(&gpu.shared().scalar_buffer, 0, &self.scalars);
            self.scalars.clear();
        }
        gpu.queue().submit([encoder.finish()]);
        self.staging.recall();
        self.work = 0;
    }
}

impl Gpu {
    pub(crate) fn stream(&self) -> MutexGuard<'_, Stream> {
        self.shared().stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records one dispatch.
    pub(crate) fn record(&self, launch: &Launch<'_>) -> Result<()> {
        self.healthy()?;
        if self.stream().profile.is_none() {
            self.push(launch);
            return Ok(());
        }
        self.finish()?;
        let start = Instant::now();
        self.push(launch);
        self.finish()?;
        let time = start.elapsed();
        if let Some(profile) = &mut self.stream().profile {
            let kernel = profile.entry(launch.name).or_default();
            (kernel.calls, kernel.time) = (kernel.calls + 1, kernel.time + time);
        }
        Ok(())
    }

    fn push(&self, launch: &Launch<'_>) {
        let mut stream = self.stream();
        if stream.scalars.len() as u64 == SLOT * SLOTS || stream.work > SUBMISSION_WORK {
            stream.submit(self);
        }
        let offset = stream.scalars.len();
        stream.scalars.extend_from_slice(bytemuck::cast_slice(launch.scalars));
        stream.scalars.resize(offset + SLOT as usize, 0);
        stream.work += launch.work;
        let pass = stream.pass(self.device());
        pass.set_pipeline(launch.pipeline);
        pass.set_bind_group(0, launch.bindings, &[offset as u32]);
        let [x, y] = launch.workgroups;
        pass.dispatch_workgroups(x, y, 1);
    }

    /// Runs `work` one kernel at a time and returns the time of each by the host's clock, to find slow
    /// kernels. Times of fast kernels are too long, since nothing overlaps.
    pub fn profiled<T>(&self, work: impl FnOnce() -> T) -> (T, BTreeMap<&'static str, KernelTime>) {
        self.stream().profile = Some(BTreeMap::new());
        let result = work();
        (result, self.stream().profile.take().unwrap_or_default())
    }

    /// Submits everything recorded to the device, without waiting.
    ///
    /// # Errors
    /// When the device has failed.
    pub fn submit(&self) -> Result<()> {
        self.stream().submit(self);
        // A poll delivers the device's reports: free staging buffers and errors.
        let polled = self.device().poll(wgpu::PollType::Poll);
        self.healthy()?;
        polled.map(drop).map_err(|error| self.refused(error))
    }

    /// Waits until everything recorded has run.
    ///
    /// # Errors
    /// When the device has failed.
    pub fn finish(&self) -> Result<()> {
        self.stream().submit(self);
        let polled = self.device().poll(wgpu::PollType::wait_indefinitely());
        self.healthy()?;
        polled.map(drop).map_err(|error| self.refused(error))
    }

    /// Copies values to the device. The copy is recorded like an operator.
    ///
    /// # Errors
    /// When the device is out of memory or has failed.
    pub fn upload(&self, values: &[f32]) -> Result<Buffer> {
        self.upload_bytes(values.len(), Element::F32, bytemuck::cast_slice(values))
    }

    /// [`Gpu::upload`] of integers.
    ///
    /// # Errors
    /// When the device is out of memory or has failed.
    pub fn upload_integers(&self, values: &[i32]) -> Result<Buffer> {
        self.upload_bytes(values.len(), Element::I32, bytemuck::cast_slice(values))
    }

    fn upload_bytes(&self, len: usize, element: Element, bytes: &[u8]) -> Result<Buffer> {
        self.healthy()?; // staging buffers of a lost device panic
        let buffer = self.empty(len, element)?;
        if let Some(size) = wgpu::BufferSize::new(bytes.len() as u64) {
            let mut stream = self.stream();
            stream.encoder(self.device());
            let Stream { encoder: Some(encoder), staging, .. } = &mut *stream else { return Ok(buffer) };
            let mut view = staging.write_buffer(encoder, &buffer.raw, 0, size);
            view.copy_from_slice(bytes);
        }
        Ok(buffer)
    }

    /// A buffer with the same values.
    ///
    /// # Errors
    /// When the device is out of memory or has failed.
    pub fn copy(&self, buffer: &Buffer) -> Result<Buffer> {
        let copy = self.empty(buffer.len(), buffer.element())?;
        let bytes = buffer.raw.size();
        self.stream().encoder(self.device()).copy_buffer_to_buffer(&buffer.raw, 0, &copy.raw, 0, bytes);
        Ok(copy)
    }

    /// A buffer of zeros, in float32.
    ///
    /// # Errors
    /// When the device is out of memory or has failed.
    pub fn zeros(&self, len: usize) -> Result<Buffer> {
        self.zeros_of(len, Element::F32)
    }

    /// A buffer of zeros, stored as `element`.
    pub(crate) fn zeros_of(&self, len: usize, element: Element) -> Result<Buffer> {
        let buffer = self.empty(len, element)?;
        self.stream().encoder(self.device()).clear_buffer(&buffer.raw, 0, None);
        Ok(buffer)
    }

    /// Waits for the operators that `buffer` depends on, and copies its values from the device.
    ///
    /// # Errors
    /// When the device has failed.
    pub fn download(&self, buffer: &Buffer) -> Result<Vec<f32>> {
        let wide;
        let buffer = match buffer.element() {
            Element::F32 => buffer,
            Element::F16 | Element::I32 => {
                wide = self.convert(buffer, Element::F32)?;
                &wide
            }
        };
        let bytes = self.read(&buffer.raw, buffer.bytes())?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    fn read(&self, source: &wgpu::Buffer, bytes: u64) -> Result<Vec<u8>> {
        if bytes == 0 {
            return Ok(Vec::new());
        }
        self.healthy()?;
        let landing = self.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("download"),
            size: bytes.next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        {
            let mut stream = self.stream();
            stream.encoder(self.device()).copy_buffer_to_buffer(source, 0, &landing, 0, landing.size());
            stream.submit(self);
        }
        let (sender, receiver) = mpsc::channel();
        // If the receiver is gone, nobody needs the answer.
        landing.map_async(wgpu::MapMode::Read, .., move |mapped| drop(sender.send(mapped)));
        self.finish()?;
        // Another thread's poll may have taken the callback and be about to run it.
        let mapped = receiver.recv_timeout(CALLBACK).map_err(|_| self.refused("a download has not ended"))?;
        mapped.map_err(|error| self.refused(error))?;
        let view = landing.get_mapped_range(..bytes).map_err(|error| self.refused(error))?;
        Ok(view.to_vec())
    }

    /// The device time of the operators that `work` records: by the device's clock if it has one, otherwise
    /// by the host's, which includes submission.
    ///
    /// # Errors
    /// When `work` fails or the device has failed.
    pub fn timed<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<(Duration, T)> {
        self.finish()?;
        if !self.has_timestamps() {
            let start = Instant::now();
            let result = work()?;
            self.finish()?;
            return Ok((start.elapsed(), result));
        }
        let queries = self.device().create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count: 2,
        });
        self.mark(&queries, Some(0), None);
        let result = work()?;
        self.mark(&queries, None, Some(1));
        let resolved = self.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("timestamps"),
            size: SLOT,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        self.stream().encoder(self.device()).resolve_query_set(&queries, 0..2, &resolved, 0);
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&self.read(&resolved, 16)?);
        let nanoseconds =
            ticks[1].saturating_sub(ticks[0]) as f64 * f64::from(self.queue().get_timestamp_period());
        Ok((Duration::from_secs_f64(nanoseconds / 1e9), result))
    }

    /// An empty pass that writes the time.
    fn mark(&self, queries: &wgpu::QuerySet, begin: Option<u32>, end: Option<u32>) {
        let timestamp_writes = Some(wgpu::ComputePassTimestampWrites {
            query_set: queries,
            beginning_of_pass_write_index: begin,
            end_of_pass_write_index: end,
        });
        let mut stream = self.stream();
        let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
        drop(stream.encoder(self.device()).begin_compute_pass(&descriptor));
    }
}
