//! `SoftmaxCrossEntropyLoss`: <https://onnx.ai/onnx/operators/onnx__SoftmaxCrossEntropyLoss.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::checked_len;

use crate::negative_log_likelihood_loss::{LossReduction, loss_shape, losses};
use crate::operand::{floats, rounded};

declare_op! {
    /// Negative log likelihood of the log softmax of scores `[N, C, …]`; output 1 is the log softmax.
    pub struct SoftmaxCrossEntropyLoss("", "SoftmaxCrossEntropyLoss", 13)
    inputs(2, 3) outputs(1, 2) flags() {
        /// Targets of this value do not count.
        ignore_index: Option<i64> = None,
        /// What is made of the losses.
        reduction: LossReduction = LossReduction::Mean,
    }
}

impl Op for SoftmaxCrossEntropyLoss {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let shape = loss_shape(cx, self.reduction)?;
        cx.set_tensor(0, dtype, shape);
        cx.set_tensor(1, dtype, cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let scores = cx.tensor(0)?;
        let [_, classes, rest @ ..] = scores.shape() else {
            return Err(OpError::shape(format!(
                "input 0: expected at least rank 2, got {:?}",
                scores.shape()
            )));
        };
        let plane = checked_len(rest)?;
        let mut x = floats(cx, 0)?;
        for image in x.chunks_exact_mut(classes.saturating_mul(plane).max(1)) {
            for lane in 0..plane {
                let values = image.iter().skip(lane).step_by(plane).copied();
                let most = values.clone().fold(f64::NEG_INFINITY, f64::max);
                let sum = most + values.map(|v| (v - most).exp()).sum::<f64>().ln();
                image.iter_mut().skip(lane).step_by(plane).for_each(|v| *v -= sum);
            }
        }
        let (shape, loss) = losses(cx, &x, self.ignore_index, self.reduction)?;
        let y = rounded(scores.dtype(), &shape, loss)?;
        cx.set(0, y);
        if cx.n_outputs() > 1 {
            cx.set(1, rounded(scores.dtype(), scores.shape(), x)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn loss_and_log_probabilities() {
        let op = SoftmaxCrossEntropyLoss { ignore_index: None, reduction: LossReduction::Mean };
        let x = f32s(&[2, 2], &[0., 0., 1., 3.]);
        let half = -std::f32::consts::LN_2;
        let log = [half, half, -2.126_928, -0.126_928_02];
        Case::new(op)
            .input(x)
            .input(i64s(&[2], &[0, 1]))
            .expect_all(vec![f32s(&[], &[0.410_037_6]).into(), f32s(&[2, 2], &log).into()]);
    }
}
