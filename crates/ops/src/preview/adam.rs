//! `Adam`: <https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Adam.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use super::training::{eval_optimizer, infer_optimizer, rate_and_count};

declare_op! {
    /// `g' = c·x + g`, `v' = α·v + (1 − α)·g'`, `h' = β·h + (1 − β)·g'²`,
    /// `x' = (1 − p)·(x − R'·v'/(√h' + ε))` with `R' = R·√(1 − βᵀ)/(1 − αᵀ)`, or R when T is 0.
    ///
    /// Inputs: R, T, variables, gradients, averages v, squared averages h. Outputs: new variables, v and h.
    pub struct Adam("ai.onnx.preview.training", "Adam", 1) inputs(3, usize::MAX) outputs(1, usize::MAX)
    flags(TRAINING) {
        /// The ε that keeps the divisor from zero.
        epsilon: f32 = 1e-6,
        /// The p of the regularisation after the update.
        norm_coefficient_post: f32 = 0.0,
        /// The c of the regularisation.
        norm_coefficient: f32 = 0.0,
        /// Decay of the squared average.
        beta: f32 = 0.999,
        /// Decay of the average.
        alpha: f32 = 0.9,
    }
}

impl Op for Adam {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_optimizer(cx, 4)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (rate, count) = rate_and_count(cx)?;
        let (alpha, beta) = (f64::from(self.alpha), f64::from(self.beta));
        let t = count as f64;
        let rate = if count > 0 { rate * (1.0 - beta.powf(t)).sqrt() / (1.0 - alpha.powf(t)) } else { rate };
        let (norm, post) = (f64::from(self.norm_coefficient), f64::from(self.norm_coefficient_post));
        let epsilon = f64::from(self.epsilon);
        eval_optimizer(cx, |x, g, [v, h]| {
            let g = norm * x + g;
            let v = alpha * v + (1.0 - alpha) * g;
            let h = beta * h + (1.0 - beta) * g * g;
            let x = x - rate * v / (h.sqrt() + epsilon);
            ((1.0 - post) * x, [v, h])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};
    use lehr_tensor::Tensor;

    #[test]
    fn corrects_the_first_steps() {
        // T = 1: R' = 0.5·√0.75/0.5, v' = 1, h' = 3; x' = 5 − R'/√3.
        Case::new(Adam {
            epsilon: 0.0,
            norm_coefficient_post: 0.0,
            norm_coefficient: 0.0,
            beta: 0.25,
            alpha: 0.5,
        })
        .input(Tensor::scalar(0.5f32))
        .input(Tensor::scalar(1i64))
        .input(f32s(&[1], &[5.0]))
        .input(f32s(&[1], &[2.0]))
        .input(f32s(&[1], &[0.0]))
        .input(f32s(&[1], &[0.0]))
        .expect_all(vec![
            f32s(&[1], &[4.5]).into(),
            f32s(&[1], &[1.0]).into(),
            f32s(&[1], &[3.0]).into(),
        ]);
    }
}
