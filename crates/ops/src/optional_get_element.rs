//! `OptionalGetElement`: <https://onnx.ai/onnx/operators/onnx__OptionalGetElement.html>

use lehr_graph::{Datum, EvalCx, InferCx, Op, OpError, ValueType, WriteCx, declare_op};

declare_op! {
    /// What is inside of an optional value; any other value is given back.
    pub struct OptionalGetElement("", "OptionalGetElement", 28) inputs(1, 1) outputs(1, 1) flags(DATA_MOVEMENT) {}
}

impl Op for OptionalGetElement {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let ty = match cx.require(0)? {
            ValueType::Optional(item) => (**item).clone(),
            other => other.clone(),
        };
        cx.set(0, ty);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let value = match cx.require(0)? {
            Datum::Optional(Some(item)) => (**item).clone(),
            Datum::Optional(None) => return Err(OpError::value("the optional value is empty")),
            other => other.clone(),
        };
        cx.set(0, value);
        Ok(())
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        let optional = matches!(cx.io().inputs.first(), Some(Some(ValueType::Optional(_))));
        if cx.opset() < 18 && !optional {
            cx.rename("", "Identity");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn unwraps() {
        let x = f32s(&[1], &[1.0]);
        Case::new(OptionalGetElement {})
            .input(Datum::Optional(Some(Box::new(x.clone().into()))))
            .expect(x.clone());
        Case::new(OptionalGetElement {}).input(x.clone()).expect(x);
        Case::new(OptionalGetElement {}).input(Datum::Optional(None)).expect_error("empty");
    }
}
