//! `Adagrad`: <https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Adagrad.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use super::training::{eval_optimizer, infer_optimizer, rate_and_count};

declare_op! {
    /// `g' = c·x + g`, `h' = h + g'²`, `x' = x − R/(1 + T·decay)·g'/(√h' + ε)`.
    ///
    /// Inputs: R, T, variables, gradients, accumulated squares h. Outputs: new variables, new h.
    pub struct Adagrad("ai.onnx.preview.training", "Adagrad", 1) inputs(3, usize::MAX) outputs(1, usize::MAX)
    flags(TRAINING) {
        /// The c of the regularisation.
        norm_coefficient: f32 = 0.0,
        /// Decay of the learning rate.
        decay_factor: f32 = 0.0,
        /// The ε that keeps the divisor from zero.
        epsilon: f32 = 1e-6,
    }
}

impl Op for Adagrad {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_optimizer(cx, 3)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (rate, count) = rate_and_count(cx)?;
        let rate = rate / (1.0 + count as f64 * f64::from(self.decay_factor));
        let (norm, epsilon) = (f64::from(self.norm_coefficient), f64::from(self.epsilon));
        eval_optimizer(cx, |x, g, [h]| {
            let g = norm * x + g;
            let h = h + g * g;
            (x - rate * g / (h.sqrt() + epsilon), [h])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};
    use lehr_tensor::Tensor;

    #[test]
    fn two_variables() {
        // x' = x − 0.5·g/√(h + g²).
        Case::new(Adagrad { norm_coefficient: 0.0, decay_factor: 1.0, epsilon: 0.0 })
            .input(Tensor::scalar(1f32))
            .input(Tensor::scalar(1i64))
            .input(f32s(&[1], &[1.0]))
            .input(f32s(&[1], &[2.0]))
            .input(f32s(&[1], &[3.0]))
            .input(f32s(&[1], &[0.0]))
            .input(f32s(&[1], &[16.0]))
            .input(f32s(&[1], &[1.0]))
            .expect_all(vec![
                f32s(&[1], &[0.7]).into(),
                f32s(&[1], &[2.0]).into(),
                f32s(&[1], &[25.0]).into(),
                f32s(&[1], &[1.0]).into(),
            ]);
    }
}
