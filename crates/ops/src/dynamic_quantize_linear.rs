//! `DynamicQuantizeLinear`: <https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, Shape, declare_op};
use lehr_tensor::{DataType, Tensor};

use crate::quantization::round_and_saturate;

declare_op! {
    /// Quantises to `u8` with a scale and zero point that cover the values and zero; gives all three.
    pub struct DynamicQuantizeLinear("", "DynamicQuantizeLinear", 11) inputs(1, 1) outputs(3, 3) flags() {}
}

impl Op for DynamicQuantizeLinear {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.dtype(0)?;
        cx.set_tensor(0, Some(DataType::U8), cx.shape(0).cloned());
        cx.set_tensor(1, Some(DataType::F32), Some(Shape::new()));
        cx.set_tensor(2, Some(DataType::U8), Some(Shape::new()));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let values = x.as_slice::<f32>()?;
        let (scale, zero) = dynamic_parameters(&values);
        let quantised =
            |&v: &f32| round_and_saturate(f64::from(v / scale), f64::from(zero), (0.0, 255.0)) as u8;
        let y = values.iter().map(quantised).collect();
        cx.set(0, Tensor::from_vec(x.shape(), y)?);
        cx.set(1, Tensor::scalar(scale));
        cx.set(2, Tensor::scalar(zero));
        Ok(())
    }
}

/// Scale and zero point of values whose range is widened to hold zero.
pub(crate) fn dynamic_parameters(values: &[f32]) -> (f32, u8) {
    let low = values.iter().copied().fold(0f32, f32::min);
    let high = values.iter().copied().fold(0f32, f32::max);
    let scale = if low == high { 1.0 } else { (high - low) / 255.0 };
    let zero = (-low / scale).clamp(0.0, 255.0).round_ties_even();
    (scale, zero as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;

    #[test]
    fn covers_zero() {
        let x = Tensor::vector(vec![0f32, 2., -3., -2.5, 1.34, 0.5]);
        Case::new(DynamicQuantizeLinear {}).input(x).expect_all(vec![
            Tensor::vector(vec![153u8, 255, 0, 26, 221, 179]).into(),
            Tensor::scalar(0.019_607_844f32).into(),
            Tensor::scalar(153u8).into(),
        ]);
        Case::new(DynamicQuantizeLinear {}).input(Tensor::vector(vec![0f32; 2])).expect_all(vec![
            Tensor::vector(vec![0u8; 2]).into(),
            Tensor::scalar(1f32).into(),
            Tensor::scalar(0u8).into(),
        ]);
    }
}
