//! `SequenceEmpty`: <https://onnx.ai/onnx/operators/onnx__SequenceEmpty.html>

use lehr_graph::{Datum, EvalCx, InferCx, Op, OpError, TensorType, ValueType, declare_op};
use lehr_tensor::DataType;

declare_op! {
    /// A sequence without items.
    pub struct SequenceEmpty("", "SequenceEmpty", 11) inputs(0, 0) outputs(1, 1) flags() {
        /// Element type of the items that it may get.
        dtype: DataType = DataType::F32,
    }
}

impl Op for SequenceEmpty {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let item = TensorType { dtype: Some(self.dtype), shape: None, known: None };
        cx.set(0, ValueType::Sequence(Box::new(ValueType::Tensor(item))));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        cx.set(0, Datum::Sequence(Vec::new()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;

    #[test]
    fn is_empty() {
        Case::new(SequenceEmpty { dtype: DataType::I64 }).expect(Datum::Sequence(Vec::new()));
    }
}
