//! Losses. Targets belong to the operator: they are data, nothing flows back to them.

use super::{Context, Forward, InputGradients, Operator, exactly, misfit, output_gradient};
use crate::{Backend, Result, Shape};
use std::sync::Arc;

/// Softmax cross-entropy with class labels, the mean over the rows that count. Input: logits `[.., K]`, a row a
/// label. Output: `[1]`.
#[derive(Debug, Clone, Default)]
pub struct CrossEntropy {
    /// One class a row, `0..K`.
    pub labels: Arc<[i64]>,
    /// Rows with this label do not count.
    pub ignore_index: Option<i64>,
    /// Share of the target spread evenly over all classes.
    pub label_smoothing: f32,
    /// How much a row counts in the mean, by its label: one weight a class, or none where all count alike.
    pub class_weights: Arc<[f32]>,
}

/// Softmax cross-entropy with a distribution a row, the mean over all rows. Input: logits `[.., K]`. Output: `[1]`.
#[derive(Debug, Clone)]
pub struct SoftCrossEntropy {
    /// Target probabilities, as many as there are logits.
    pub targets: Arc<[f32]>,
}

impl Operator for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let [logits] = exactly(self.name(), inputs)?;
        if logits.rows() != self.labels.len() {
            return Err(misfit(
                self.name(),
                format!("logits {logits} do not fit {} labels", self.labels.len()),
            ));
        }
        Ok(vec![Shape::from([1])])
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        let [logits] = exactly(self.name(), inputs)?;
        let (loss, log_sum_exp) = backend.cross_entropy(self, logits)?;
        Ok(Forward::one(loss, vec![logits.clone(), log_sum_exp]))
    }

    fn backward<B: Backend>(
        &self,
        backend: &B,
        context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>> {
        let gy = output_gradient(self.name(), gradients)?;
        let [logits, log_sum_exp] = context.saved else {
            return Err(misfit(self.name(), "nothing was saved"));
        };
        Ok(vec![Some(backend.cross_entropy_backward(self, logits, log_sum_exp, gy)?)])
    }
}

impl Operator for SoftCrossEntropy {
    fn name(&self) -> &'static str {
        "soft_cross_entropy"
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let [logits] = exactly(self.name(), inputs)?;
        if logits.elements() != self.targets.len() {
            return Err(misfit(
                self.name(),
                format!("logits {logits} do not fit {} targets", self.targets.len()),
            ));
        }
        Ok(vec![Shape::from([1])])
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        let [logits] = exactly(self.name(), inputs)?;
        let (loss, log_sum_exp) = backend.soft_cross_entropy(self, logits)?;
        Ok(Forward::one(loss, vec![logits.clone(), log_sum_exp]))
    }

    fn backward<B: Backend>(
        &self,
        backend: &B,
        context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>> {
        let gy = output_gradient(self.name(), gradients)?;
        let [logits, log_sum_exp] = context.saved else {
            return Err(misfit(self.name(), "nothing was saved"));
        };
        Ok(vec![Some(backend.soft_cross_entropy_backward(self, logits, log_sum_exp, gy)?)])
    }
}
