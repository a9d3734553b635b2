//! `SequenceLength`: <https://onnx.ai/onnx/operators/onnx__SequenceLength.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, Shape, declare_op};
use lehr_tensor::{DataType, Tensor};

use crate::sequence_position::item_type;

declare_op! {
    /// How many items a sequence has.
    pub struct SequenceLength("", "SequenceLength", 11) inputs(1, 1) outputs(1, 1) flags() {}
}

impl Op for SequenceLength {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        item_type(cx, 0)?;
        cx.set_tensor(0, Some(DataType::I64), Some(Shape::new()));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let len = cx.sequence(0)?.len();
        cx.set(0, Tensor::scalar(i64::try_from(len).unwrap_or(i64::MAX)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};
    use lehr_graph::Datum;

    #[test]
    fn counts() {
        Case::new(SequenceLength {})
            .input(Datum::Sequence(vec![f32s(&[1], &[1.0]).into()]))
            .expect(Tensor::scalar(1i64));
    }
}
