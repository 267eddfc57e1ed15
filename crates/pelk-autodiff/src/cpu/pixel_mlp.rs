//! The pixel MLP as one operator.

use super::{CpuBackend, CpuTensor, Room};
use crate::backend::{Gradients, PixelMlpOps};
use crate::operators::{Forward, PixelMlp, PixelMlpParameters};
use crate::{Result, Shape};
use pelk_cpu::pixel_mlp;

/// The kernel's view of an operator and its parameters.
fn pixel_mlp<'a>(
    op: &'a PixelMlp,
    x: &CpuTensor,
    parameters: &PixelMlpParameters<'a, CpuTensor>,
) -> (pixel_mlp::PixelMlp, pixel_mlp::Parameters<'a>) {
    let hidden = parameters.expand[1].shape.channels();
    let sizes =
        pixel_mlp::PixelMlp { rows: x.shape.rows(), channels: x.shape.channels(), hidden, eps: op.eps };
    let values = |pair: [&'a CpuTensor; 2]| pair.map(|tensor| &tensor.values[..]);
    let parameters = pixel_mlp::Parameters {
        norm: values(parameters.norm),
        expand: values(parameters.expand),
        project: values(parameters.project),
        gamma: parameters.gamma.map(|gamma| &gamma.values[..]),
        factors: op.factors.as_deref(),
    };
    (sizes, parameters)
}

impl PixelMlpOps for CpuBackend {
    fn pixel_mlp(
        &self,
        op: &PixelMlp,
        x: &CpuTensor,
        shortcut: &CpuTensor,
        parameters: &PixelMlpParameters<'_, CpuTensor>,
    ) -> Result<Forward<CpuTensor>> {
        let (sizes, parameters) = pixel_mlp(op, x, parameters);
        let middle = Shape::from([sizes.rows, sizes.hidden]);
        let [mut active, mut slope] =
            [(); 2].map(|()| op.keep.then(|| self.pool.take(sizes.rows * sizes.hidden)));
        let keep = match (&mut active, &mut slope) {
            (Some(active), Some(slope)) => Some(pixel_mlp::Middle { active: &mut active[..], slope }),
            _ => None,
        };
        let y = self.make(x.shape.clone(), |y| {
            sizes.forward(self.level, &x.values, &shortcut.values, &parameters, y, keep)
        })?;
        let kept = [active, slope].into_iter().flatten().map(|values| CpuTensor::new(&middle, values));
        Ok(Forward::one(y, kept.collect()))
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
        let PixelMlpParameters { norm, expand, project, gamma } = parameters;
        // One walk gives all of them, so it is all or none.
        let any = needs[1..].contains(&true);
        let mut gx = self.pool.take(x.values.len());
        let [mut a, mut b] = norm.map(|tensor| self.room(any, tensor));
        let [mut c, mut d] = expand.map(|tensor| self.room(any, tensor));
        let [mut e, mut f] = project.map(|tensor| self.room(any, tensor));
        let mut g = self.room(any && gamma.is_some(), gamma.unwrap_or(norm[0]));
        let (sizes, parameters) = pixel_mlp(op, x, parameters);
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
                    Some(pixel_mlp::Middle { active: &active.values[..], slope: &slope.values })
                }
                _ => None,
            };
            sizes.backward(self.level, &x.values, &parameters, kept, &gy.values, &mut gx, gradients)?;
        }
        let gx = Some(CpuTensor::new(&x.shape, gx));
        let [a, b, c, d, e, f, g] = [a, b, c, d, e, f, g].map(Room::done);
        let mut wanted = needs.into_iter();
        Ok([gx, a, b, c, d, e, f, g].map(|gradient| gradient.filter(|_| wanted.next() == Some(true))))
    }
}
