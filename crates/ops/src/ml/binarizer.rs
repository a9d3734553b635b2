//! `Binarizer`: <https://onnx.ai/onnx/operators/onnx_aionnxml_Binarizer.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::{CastOptions, Tensor};

use crate::elementwise::infer_same;

declare_op! {
    /// 1 where the element is greater than the threshold, else 0.
    pub struct Binarizer("ai.onnx.ml", "Binarizer", 1) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, MONOTONE) {
        /// The threshold.
        threshold: f32 = 0.0,
    }
}

impl Op for Binarizer {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let threshold = f64::from(self.threshold);
        let y: Vec<bool> = x.to_f64s()?.into_iter().map(|v| v > threshold).collect();
        let y = Tensor::from_vec(x.shape(), y)?.cast(x.dtype(), CastOptions::default())?;
        cx.set(0, y);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn strictly_above() {
        Case::new(Binarizer { threshold: 1.0 })
            .input(f32s(&[4], &[0.5, 1.0, 1.5, f32::NAN]))
            .expect(f32s(&[4], &[0.0, 0.0, 1.0, 0.0]));
    }
}
