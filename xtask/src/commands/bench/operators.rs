//! Measuring single operators, in the present pool of threads.

use super::cases::{Depthwise, Mlp, Pass, Peripheral};
use super::record::{Record, Times};
use super::timing::{PeakRate, Timing, repeat};
use anyhow::Result;
use pelk_cpu::depthwise::{Bias, BoxConv};
use pelk_cpu::shape::ImageShape;
use pelk_cpu::simd::Level;
use pelk_cpu::{activation, elementwise, layer_norm, linear};
use pelk_grid::SharingGrid;

/// How operators are measured.
#[derive(Debug, Clone, Copy)]
pub struct Bench {
    /// The instructions.
    pub level: Level,
    /// Threads of the present pool.
    pub threads: usize,
    /// Fewest timed runs.
    pub runs: usize,
    /// What the results are held against.
    pub peak: PeakRate,
}

/// `n` repeatable numbers in -1..1, each far from its neighbours.
pub fn values(n: usize) -> Vec<f32> {
    // The fractions of multiples of the golden ratio.
    (0..n as u32).map(|i| (i.wrapping_mul(0x9E37_79B9) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

impl Bench {
    /// A peripheral convolution of `n` images.
    ///
    /// # Errors
    /// When the shape makes no convolution.
    pub fn peripheral(&self, shape: Peripheral, n: usize, pass: Pass) -> Result<Record> {
        let Peripheral { c, h, kernel, center } = shape;
        let times = self.box_conv(&BoxConv::square(shape.grid()?), [n, h, c], pass)?;
        let (threads, simd) = (self.threads, self.level.name().to_owned());
        Ok(Record::PeripheralConv { pass, n, c, h, w: h, kernel, center, threads, simd, times })
    }

    /// A depthwise convolution of `n` images with a dense kernel.
    ///
    /// # Errors
    /// When the shape makes no convolution.
    pub fn depthwise(&self, shape: Depthwise, n: usize, pass: Pass) -> Result<Record> {
        let Depthwise { c, h, kernel_h, kernel_w } = shape;
        let conv = BoxConv::new(SharingGrid::dense(kernel_h)?, SharingGrid::dense(kernel_w)?);
        let times = self.box_conv(&conv, [n, h, c], pass)?;
        let (threads, simd) = (self.threads, self.level.name().to_owned());
        Ok(Record::DepthwiseConv { pass, n, c, h, w: h, kernel_h, kernel_w, threads, simd, times })
    }

    fn box_conv(&self, conv: &BoxConv, [n, h, c]: [usize; 3], pass: Pass) -> Result<Times> {
        let shape = ImageShape::checked("bench", n, h, h, c)?;
        let x = values(shape.len());
        let theta = values(c * conv.rows().cells() * conv.columns().cells());
        let mut y = vec![0.0; x.len()];
        let (mut gx, mut gtheta) = (vec![0.0; x.len()], vec![0.0; theta.len()]);
        let timing = repeat(self.runs, || {
            conv.forward(self.level, shape, &x, &theta, Bias::None, &mut y)?;
            if pass == Pass::ForwardBackward {
                conv.backward(self.level, shape, &x, &theta, &x, Some(&mut gx), Some(&mut gtheta))?;
            }
            Ok(())
        })?;
        Ok(self.times(timing, pass, conv.multiply_adds(shape)))
    }

    /// A pixel MLP.
    ///
    /// # Errors
    /// When the shape makes none.
    pub fn mlp(&self, shape: Mlp, pass: Pass) -> Result<Record> {
        let Mlp { rows, c } = shape;
        let mut mlp = PixelMlp::new(self.level, rows, c);
        let timing = repeat(self.runs, || {
            mlp.forward()?;
            if pass == Pass::ForwardBackward {
                mlp.backward()?;
            }
            Ok(())
        })?;
        let times = self.times(timing, pass, (rows * 8 * c * c) as u64);
        let (threads, simd) = (self.threads, self.level.name().to_owned());
        Ok(Record::PixelMlp { pass, rows, c, threads, simd, times })
    }

    fn times(&self, timing: Timing, pass: Pass, multiply_adds: u64) -> Times {
        Times::new(timing, self.peak.floor_ms(multiply_adds * pass.cost(), self.threads))
    }
}

/// The second half of a block, and the buffers that a network would hold for it.
struct PixelMlp {
    level: Level,
    rows: usize,
    c: usize,
    x: Vec<f32>,
    /// Weight and bias of LayerNorm, gamma of the layer scale.
    vectors: [Vec<f32>; 3],
    wide: [Vec<f32>; 2],
    narrow: [Vec<f32>; 2],
    normed: Vec<f32>,
    moments: [Vec<f32>; 2],
    middle: Vec<f32>,
    active: Vec<f32>,
    projected: Vec<f32>,
    y: Vec<f32>,
    gradients: Gradients,
}

struct Gradients {
    projected: Vec<f32>,
    active: Vec<f32>,
    middle: Vec<f32>,
    normed: Vec<f32>,
    x: Vec<f32>,
    vectors: [Vec<f32>; 3],
    wide: [Vec<f32>; 2],
    narrow: [Vec<f32>; 2],
}

impl PixelMlp {
    fn new(level: Level, rows: usize, c: usize) -> PixelMlp {
        let zeros = |n: usize| vec![0.0; n];
        let (len, weights) = (rows * c, 4 * c * c);
        PixelMlp {
            level,
            rows,
            c,
            x: values(len),
            vectors: [values(c), values(c), values(c)],
            wide: [values(weights), values(4 * c)],
            narrow: [values(weights), values(c)],
            normed: zeros(len),
            moments: [zeros(rows), zeros(rows)],
            middle: zeros(4 * len),
            active: zeros(4 * len),
            projected: zeros(len),
            y: zeros(len),
            gradients: Gradients {
                projected: zeros(len),
                active: zeros(4 * len),
                middle: zeros(4 * len),
                normed: zeros(len),
                x: zeros(len),
                vectors: [zeros(c), zeros(c), zeros(c)],
                wide: [zeros(weights), zeros(4 * c)],
                narrow: [zeros(weights), zeros(c)],
            },
        }
    }

    fn forward(&mut self) -> Result<()> {
        let (level, rows, c) = (self.level, self.rows, self.c);
        let [weight, bias, gamma] = &self.vectors;
        let [mean, inv_std] = &mut self.moments;
        layer_norm::forward(level, rows, c, &self.x, weight, bias, 1e-6, &mut self.normed, mean, inv_std)?;
        let [weight, bias] = &self.wide;
        linear::forward(level, rows, c, 4 * c, &self.normed, weight, Some(bias), &mut self.middle)?;
        activation::gelu(level, &self.middle, &mut self.active)?;
        let [weight, bias] = &self.narrow;
        linear::forward(level, rows, 4 * c, c, &self.active, weight, Some(bias), &mut self.projected)?;
        elementwise::scale_channels(level, rows, c, &self.projected, gamma, &mut self.y)?;
        elementwise::add_assign(level, &mut self.y, &self.x)?;
        Ok(())
    }

    /// All gradients; the output's is the input itself, whose values are as good as any.
    fn backward(&mut self) -> Result<()> {
        let (level, rows, c) = (self.level, self.rows, self.c);
        let (gy, g) = (&self.x, &mut self.gradients);
        let [gweight, gbias, ggamma] = &mut g.vectors;
        let gamma = &self.vectors[2];
        let gprojected = Some(&mut g.projected[..]);
        elementwise::scale_channels_backward(
            level,
            rows,
            c,
            &self.projected,
            gamma,
            gy,
            gprojected,
            Some(ggamma),
        )?;
        let ([weight, _], [gw, gb]) = (&self.narrow, &mut g.narrow);
        let (gw, gb) = (Some(&mut gw[..]), Some(&mut gb[..]));
        linear::backward(
            level,
            rows,
            4 * c,
            c,
            &self.active,
            weight,
            &g.projected,
            Some(&mut g.active),
            gw,
            gb,
        )?;
        activation::gelu_backward(level, &self.middle, &g.active, &mut g.middle)?;
        let ([weight, _], [gw, gb]) = (&self.wide, &mut g.wide);
        let (gw, gb) = (Some(&mut gw[..]), Some(&mut gb[..]));
        linear::backward(
            level,
            rows,
            c,
            4 * c,
            &self.normed,
            weight,
            &g.middle,
            Some(&mut g.normed),
            gw,
            gb,
        )?;
        let (weight, [mean, inv_std]) = (&self.vectors[0], &self.moments);
        let gx = Some(&mut g.x[..]);
        let (gw, gb) = (Some(&mut gweight[..]), Some(&mut gbias[..]));
        layer_norm::backward(level, rows, c, &self.x, weight, mean, inv_std, &g.normed, gx, gw, gb)?;
        elementwise::add_assign(level, &mut g.x, gy)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_spread_over_their_range() {
        let values = values(1000);
        let mean = values.iter().sum::<f32>() / 1000.0;
        assert!(mean.abs() < 0.01 && values.iter().all(|value| value.abs() <= 1.0), "{mean}");
        assert!(values.windows(2).all(|pair| (pair[0] - pair[1]).abs() > 0.1));
    }

    #[test]
    fn the_pixel_mlp_computes_the_definition() {
        let (rows, c) = (3, 4);
        let mut mlp = PixelMlp::new(Level::PORTABLE, rows, c);
        mlp.forward().unwrap();
        mlp.backward().unwrap();
        for r in 0..rows {
            let x: Vec<f64> = mlp.x[r * c..][..c].iter().copied().map(f64::from).collect();
            let mean = x.iter().sum::<f64>() / c as f64;
            let var = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / c as f64;
            let at = |v: &[f32], i: usize| f64::from(v[i]);
            let normed: Vec<f64> = (0..c)
                .map(|i| {
                    (x[i] - mean) / (var + 1e-6).sqrt() * at(&mlp.vectors[0], i) + at(&mlp.vectors[1], i)
                })
                .collect();
            let middle = (0..4 * c).map(|o| {
                let sum: f64 = (0..c).map(|i| normed[i] * at(&mlp.wide[0], o * c + i)).sum();
                sum + at(&mlp.wide[1], o)
            });
            assert!(middle.enumerate().all(|(o, m)| (m - at(&mlp.middle, r * 4 * c + o)).abs() < 1e-4));
            for o in 0..c {
                let sum: f64 = (0..4 * c)
                    .map(|i| at(&mlp.active, r * 4 * c + i) * at(&mlp.narrow[0], o * 4 * c + i))
                    .sum();
                let y = x[o] + at(&mlp.vectors[2], o) * (sum + at(&mlp.narrow[1], o));
                assert!((y - at(&mlp.y, r * c + o)).abs() < 1e-4);
            }
        }
        assert!(mlp.gradients.x.iter().all(|gradient| gradient.is_finite()));
    }
}
