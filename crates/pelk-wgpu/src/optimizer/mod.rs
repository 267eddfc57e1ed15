//! One optimizer step on one parameter, in place.

use crate::check::expect_len;
use crate::kernel::Each;
use crate::memory::Buffer;
use crate::{Gpu, Result};
use pelk_ops::{AdamW, Sgd};

impl Gpu {
    /// A step of AdamW, as PyTorch computes it; see [`AdamW::factors`].
    ///
    /// # Errors
    /// When lengths differ, a setting is out of its range, or the device has failed.
    pub fn adamw(
        &self,
        settings: &AdamW,
        parameter: &Buffer,
        gradient: &Buffer,
        moments: [&Buffer; 2],
    ) -> Result<()> {
        let factors = settings.factors()?;
        for (name, buffer) in [("gradient", gradient), ("m", moments[0]), ("v", moments[1])] {
            expect_len("adamw", name, buffer.len(), parameter.len())?;
        }
        self.items("adamw", include_str!("adamw.wgsl"))
            .write("parameter", parameter, Each(1))
            .read("gradient", gradient, Each(1))
            .write("first", moments[0], Each(1))
            .write("second", moments[1], Each(1))
            .scalar("keep", factors.keep)
            .scalar("to_gradient", factors.to_gradient)
            .scalar("beta2", factors.beta2)
            .scalar("to_square", factors.to_square)
            .scalar("step_size", factors.step_size)
            .scalar("inverse_root", factors.inverse_root)
            .scalar("eps", factors.eps)
            .run(parameter.len(), 1, 8)
    }

    /// A step of SGD with momentum, as PyTorch computes it; see [`Sgd`].
    ///
    /// # Errors
    /// Same as [`Gpu::adamw`].
    pub fn sgd(
        &self,
        settings: &Sgd,
        parameter: &Buffer,
        gradient: &Buffer,
        velocity: &Buffer,
    ) -> Result<()> {
        settings.check()?;
        for (name, buffer) in [("gradient", gradient), ("velocity", velocity)] {
            expect_len("sgd", name, buffer.len(), parameter.len())?;
        }
        self.items("sgd", include_str!("sgd.wgsl"))
            .write("parameter", parameter, Each(1))
            .read("gradient", gradient, Each(1))
            .write("velocity", velocity, Each(1))
            .scalar("rate", settings.learning_rate as f32)
            .scalar("momentum", settings.momentum as f32)
            .scalar("decay", settings.weight_decay as f32)
            .scalar("nesterov", usize::from(settings.nesterov))
            .run(parameter.len(), 1, 8)
    }
}
