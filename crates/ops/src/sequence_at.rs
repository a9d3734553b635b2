//! `SequenceAt`: <https://onnx.ai/onnx/operators/onnx__SequenceAt.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::sequence_position::{item_type, position};

declare_op! {
    /// The item of sequence 0 at position 1, which may be negative.
    pub struct SequenceAt("", "SequenceAt", 11) inputs(2, 2) outputs(1, 1) flags(DATA_MOVEMENT) {}
}

impl Op for SequenceAt {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let item = item_type(cx, 0)?;
        cx.set(0, item);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let items = cx.sequence(0)?;
        let at = position(cx, 1, items.len(), items.len())?.ok_or(OpError::MissingInput { index: 1 })?;
        cx.set(0, items[at].clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};
    use lehr_graph::Datum;

    #[test]
    fn counts_from_both_ends() {
        let (a, b) = (f32s(&[1], &[1.0]), f32s(&[2], &[2.0, 3.0]));
        let items = Datum::Sequence(vec![a.clone().into(), b.clone().into()]);
        Case::new(SequenceAt {}).input(items.clone()).input(i64s(&[], &[0])).expect(a);
        Case::new(SequenceAt {}).input(items.clone()).input(i64s(&[], &[-1])).expect(b);
        Case::new(SequenceAt {}).input(items).input(i64s(&[], &[2])).expect_error("position 2");
    }
}
