//! The pixel MLP as one operator.

use super::{CpuBackend, CpuTensor, GradientSlot};
use crate::backend::{Gradients, PixelMlpOps};
use crate::{Result, Shape, kernels};
use pelk_cpu::pixel_mlp;
use pelk_ops::{PixelMlp, PixelMlpParameters};

impl PixelMlpOps for CpuBackend {
    fn pixel_mlp(
        &self,
        op: &PixelMlp,
        x: &CpuTensor,
        shortcut: &CpuTensor,
        parameters: &PixelMlpParameters<'_, CpuTensor>,
    ) -> Result<(CpuTensor, Vec<CpuTensor>)> {
        let shape = kernels::pixel_mlp(op, &x.shape, &parameters.expand[1].shape);
        let packed = [parameters.expand[0], parameters.project[0]].map(|weight| weight.values.packed());
        let parameters = parameters.map(|tensor: &CpuTensor| &tensor.values[..]);
        let hidden = Shape::from([shape.rows, shape.hidden]);
        let [mut active, mut slope] =
            [(); 2].map(|()| op.keep.then(|| self.pool.take(shape.rows * shape.hidden)));
        let keep = match (&mut active, &mut slope) {
            (Some(active), Some(slope)) => Some(pixel_mlp::Hidden { active: &mut active[..], slope }),
            _ => None,
        };
        let (x_values, shortcut) = (&x.values[..], &shortcut.values[..]);
        let y = self.make(x.shape.clone(), |y| match keep {
            Some(_) => pixel_mlp::forward(self.level, &shape, x_values, shortcut, &parameters, y, keep),
            None => pixel_mlp::forward_packed(self.level, &shape, x_values, shortcut, &parameters, packed, y),
        })?;
        let kept = [active, slope].into_iter().flatten().map(|values| CpuTensor::new(&hidden, values));
        Ok((y, kept.collect()))
    }

    fn pixel_mlp_backward(
        &self,
        op: &PixelMlp,
        x: &CpuTensor,
        parameters: &PixelMlpParameters<'_, CpuTensor>,
        kept: &[CpuTensor],
        gy: &CpuTensor,
        needs: [bool; 8],
    ) -> Result<Gradients<CpuTensor, 8>> {
        let PixelMlpParameters { norm, expand, project, gamma, .. } = parameters;
        // One walk gives all of them, so it is all or none.
        let any = needs[1..].contains(&true);
        let mut gx = self.pool.take(x.values.len());
        let [mut a, mut b] = norm.map(|tensor| self.slot(any, tensor));
        let [mut c, mut d] = expand.map(|tensor| self.slot(any, tensor));
        let [mut e, mut f] = project.map(|tensor| self.slot(any, tensor));
        let mut g = self.slot(any && gamma.is_some(), gamma.unwrap_or(norm[0]));
        let shape = kernels::pixel_mlp(op, &x.shape, &parameters.expand[1].shape);
        let parameters = parameters.map(|tensor: &CpuTensor| &tensor.values[..]);
        {
            let gradients = match (a.slice(), b.slice(), c.slice(), d.slice(), e.slice(), f.slice()) {
                (Some(a), Some(b), Some(c), Some(d), Some(e), Some(f)) => Some(pixel_mlp::Gradients {
                    norm: [a, b],
                    expand: [c, d],
                    project: [e, f],
                    gamma: g.slice(),
                }),
                _ => None,
            };
            let kept = match kept {
                [active, slope] => {
                    Some(pixel_mlp::Hidden { active: &active.values[..], slope: &slope.values })
                }
                _ => None,
            };
            let saved = pixel_mlp::Saved { x: &x.values, hidden: kept };
            pixel_mlp::backward(self.level, &shape, saved, &parameters, &gy.values, &mut gx, gradients)?;
        }
        let gx = Some(CpuTensor::new(&x.shape, gx));
        let [a, b, c, d, e, f, g] = [a, b, c, d, e, f, g].map(GradientSlot::done);
        let mut wanted = needs.into_iter();
        Ok([gx, a, b, c, d, e, f, g].map(|gradient| gradient.filter(|_| wanted.next() == Some(true))))
    }
}
