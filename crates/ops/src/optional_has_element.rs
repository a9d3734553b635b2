//! `OptionalHasElement`: <https://onnx.ai/onnx/operators/onnx__OptionalHasElement.html>

use lehr_graph::{Datum, EvalCx, InferCx, Op, OpError, Shape, ValueType, WriteCx, declare_op};
use lehr_tensor::{DataType, Tensor};

declare_op! {
    /// Whether there is an input that is not an empty optional value.
    pub struct OptionalHasElement("", "OptionalHasElement", 28) inputs(0, 1) outputs(1, 1) flags() {}
}

impl Op for OptionalHasElement {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.set_tensor(0, Some(DataType::Bool), Some(Shape::new()));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let has = !matches!(cx.datum(0), None | Some(Datum::Optional(None)));
        cx.set(0, Tensor::scalar(has));
        Ok(())
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        let optional = matches!(cx.io().inputs.first(), Some(Some(ValueType::Optional(_))));
        if cx.opset() < 18 && !optional {
            return Err(OpError::Unsupported("before opset 18, the input must be an optional value".into()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn tells_something_from_nothing() {
        let x: Datum = f32s(&[1], &[1.0]).into();
        for (input, want) in
            [(x.clone(), true), (Datum::Optional(Some(Box::new(x))), true), (Datum::Optional(None), false)]
        {
            Case::new(OptionalHasElement {}).input(input).expect(Tensor::scalar(want));
        }
        Case::new(OptionalHasElement {}).expect(Tensor::scalar(false));
    }
}
