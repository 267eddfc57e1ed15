//! Arithmetic in place.

use super::checks::expect_shape;
use super::tensors::map;
use super::{ReferenceBackend, Tensor};
use crate::Result;
use crate::backend::{ArithmeticOps, ResidualOps};

impl ArithmeticOps for ReferenceBackend {
    fn add_assign(&self, a: &mut Tensor, b: &Tensor) -> Result<()> {
        *a = self.add(a, b)?;
        Ok(())
    }

    fn scale_assign(&self, x: &mut Tensor, factor: f32) -> Result<()> {
        *x = map(x, |x| f64::from(factor) * x);
        Ok(())
    }

    fn lerp_assign(&self, average: &mut Tensor, x: &Tensor, weight: f32) -> Result<()> {
        expect_shape("lerp_assign", x, &average.shape)?;
        for (average, x) in average.values_mut().iter_mut().zip(x.values.iter()) {
            *average += f64::from(weight) * (x - *average);
        }
        Ok(())
    }

    fn sparse_lerp_assign(&self, average: &mut Tensor, x: &Tensor, weight: f32) -> Result<()> {
        expect_shape("sparse_lerp_assign", x, &average.shape)?;
        for (average, &x) in average.values_mut().iter_mut().zip(x.values.iter()) {
            let lerp = *average + f64::from(weight) * (x - *average);
            *average = if *average == 0.0 || x == 0.0 { x } else { lerp };
        }
        Ok(())
    }

    fn mul_assign(&self, x: &mut Tensor, factors: &Tensor) -> Result<()> {
        expect_shape("mul_assign", factors, &x.shape)?;
        x.values_mut().iter_mut().zip(factors.values.iter()).for_each(|(x, factor)| *x *= factor);
        Ok(())
    }
}
