//! `Size`: <https://onnx.ai/onnx/operators/onnx__Size.html>

use lehr_graph::dim::SymInt;
use lehr_graph::{EvalCx, InferCx, Op, OpError, Shape, SymValues, declare_op};
use lehr_tensor::{DataType, Tensor};

declare_op! {
    /// The number of elements.
    pub struct Size("", "Size", 25) inputs(1, 1) outputs(1, 1) flags(SHAPE_ONLY) {}
}

impl Op for Size {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.require(0)?;
        cx.set_tensor(0, Some(DataType::I64), Some(Shape::new()));
        let known = cx.shape(0).map(|shape| SymValues::scalar(SymInt::from(&shape.numel())));
        cx.set_known(0, known);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let len = cx.tensor(0)?.len();
        cx.set(0, Tensor::scalar(i64::try_from(len).unwrap_or(i64::MAX)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn counts() {
        Case::new(Size {}).input(f32s(&[2, 3], &[0.0; 6])).expect(Tensor::scalar(6i64));
    }
}
