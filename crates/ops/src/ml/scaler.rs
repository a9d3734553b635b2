//! `Scaler`: <https://onnx.ai/onnx/operators/onnx_aionnxml_Scaler.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::{DataType, Tensor, Wide};

declare_op! {
    /// `(x − offset)·scale` as `f32`, with one pair for all features or one per feature of the last axis.
    pub struct Scaler("ai.onnx.ml", "Scaler", 1) inputs(1, 1) outputs(1, 1) flags() {
        /// Factors.
        scale: Option<Vec<f32>> = None,
        /// What is subtracted.
        offset: Option<Vec<f32>> = None,
    }
}

impl Op for Scaler {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.require(0)?;
        cx.set_tensor(0, Some(DataType::F32), cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let features = x.shape().last().copied().unwrap_or(1);
        let scale = per_feature("scale", self.scale.as_deref(), features, 1.0)?;
        let offset = per_feature("offset", self.offset.as_deref(), features, 0.0)?;
        let values = x.to_f64s()?.into_iter().enumerate();
        let y = values.map(|(at, v)| (v - offset[at % offset.len()]) * scale[at % scale.len()]).collect();
        cx.set(0, Tensor::narrow(DataType::F32, x.shape(), Wide::F(y))?);
        Ok(())
    }
}

fn per_feature(name: &str, list: Option<&[f32]>, features: usize, default: f64) -> Result<Vec<f64>, OpError> {
    match list.unwrap_or_default() {
        [] => Ok(vec![default]),
        list if list.len() == 1 || list.len() == features => Ok(list.iter().map(|&v| f64::from(v)).collect()),
        list => {
            Err(OpError::attribute(name, format!("expected 1 or {features} numbers, got {}", list.len())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    // Numbers of ONNX Runtime.
    #[test]
    fn per_feature_and_for_all() {
        Case::new(Scaler { scale: Some(vec![2.0, 0.5]), offset: Some(vec![1.0, -1.0]) })
            .input(i64s(&[2, 2], &[1, 0, 2, 0]))
            .expect(f32s(&[2, 2], &[0.0, 0.5, 2.0, 0.5]));
        Case::new(Scaler { scale: Some(vec![2.0]), offset: Some(vec![1.0]) })
            .input(f32s(&[1, 2], &[1.0, 0.0]))
            .expect(f32s(&[1, 2], &[0.0, -2.0]));
    }
}
