//! `Momentum`: <https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Momentum.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, attribute_enum, declare_op};

use super::training::{eval_optimizer, infer_optimizer, rate_and_count};

attribute_enum! {
    /// What the variable moves along.
    pub enum Mode {
        /// The momentum.
        Standard = "standard",
        /// The gradient and the momentum one step ahead.
        Nesterov = "nesterov",
    }
}

declare_op! {
    /// `g' = c·x + g`, `v' = α·v + β'·g'` with β' = 1 while T is 0, `x' = x − R·v'` or (Nesterov)
    /// `x' = x − R·(g' + α·v')`.
    ///
    /// Inputs: R, T, variables, gradients, momenta v. Outputs: new variables, new momenta.
    pub struct Momentum("ai.onnx.preview.training", "Momentum", 1) inputs(3, usize::MAX) outputs(1, usize::MAX)
    flags(TRAINING) {
        /// The c of the regularisation.
        norm_coefficient: f32,
        /// Weight of the gradient in the momentum.
        beta: f32,
        /// What the variable moves along.
        mode: Mode,
        /// Decay of the momentum.
        alpha: f32,
    }
}

impl Op for Momentum {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_optimizer(cx, 3)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (rate, count) = rate_and_count(cx)?;
        let (norm, alpha) = (f64::from(self.norm_coefficient), f64::from(self.alpha));
        let beta = if count > 0 { f64::from(self.beta) } else { 1.0 };
        eval_optimizer(cx, |x, g, [v]| {
            let g = norm * x + g;
            let v = alpha * v + beta * g;
            let direction = match self.mode {
                Mode::Standard => v,
                Mode::Nesterov => g + alpha * v,
            };
            (x - rate * direction, [v])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};
    use lehr_tensor::Tensor;

    #[test]
    fn both_modes() {
        for (mode, x) in [(Mode::Standard, 1.0 - 0.5 * 4.0), (Mode::Nesterov, 1.0 - 0.5 * (4.0 + 2.0))] {
            Case::new(Momentum { norm_coefficient: 1.0, beta: 0.5, mode, alpha: 0.5 })
                .input(Tensor::scalar(0.5f32))
                .input(Tensor::scalar(2i64))
                .input(f32s(&[1], &[1.0]))
                .input(f32s(&[1], &[3.0]))
                .input(f32s(&[1], &[4.0]))
                .expect_all(vec![f32s(&[1], &[x]).into(), f32s(&[1], &[4.0]).into()]);
        }
    }
}
