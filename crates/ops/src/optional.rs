//! `Optional`: <https://onnx.ai/onnx/operators/onnx__Optional.html>

use lehr_graph::{Datum, EvalCx, InferCx, Op, OpError, ValueType, declare_op};

declare_op! {
    /// An optional value that holds the input, or nothing when there is none.
    pub struct Optional("", "Optional", 28) inputs(0, 1) outputs(1, 1) flags(DATA_MOVEMENT) {
        /// Type of what may be inside; needed when there is no input.
        r#type: Option<ValueType> = None,
    }
}

impl Op for Optional {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let given = cx.ty(0).cloned();
        let item = match (given, &self.r#type) {
            (Some(given), _) => given,
            (None, Some(declared)) => declared.clone(),
            (None, None) => return Err(OpError::attribute("type", "is required without an input")),
        };
        cx.set(0, ValueType::Optional(Box::new(item)));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        cx.set(0, Datum::Optional(cx.datum(0).cloned().map(Box::new)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn holds_something_or_nothing() {
        let x = f32s(&[1], &[1.0]);
        Case::new(Optional { r#type: None })
            .input(x.clone())
            .expect(Datum::Optional(Some(Box::new(x.into()))));
        Case::new(Optional { r#type: Some(ValueType::Unknown) }).expect(Datum::Optional(None));
    }
}
