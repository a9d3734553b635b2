//! `SequenceErase`: <https://onnx.ai/onnx/operators/onnx__SequenceErase.html>

use lehr_graph::{Datum, EvalCx, InferCx, Op, OpError, ValueType, declare_op};

use crate::sequence_position::{item_type, position};

declare_op! {
    /// Sequence 0 without the item at position 1, by default the last one.
    pub struct SequenceErase("", "SequenceErase", 11) inputs(1, 2) outputs(1, 1) flags(DATA_MOVEMENT) {}
}

impl Op for SequenceErase {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let item = item_type(cx, 0)?;
        cx.set(0, ValueType::Sequence(Box::new(item)));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let mut items = cx.sequence(0)?.to_vec();
        let last = items
            .len()
            .checked_sub(1)
            .ok_or_else(|| OpError::value("there is no item to erase in an empty sequence"))?;
        items.remove(position(cx, 1, items.len(), items.len())?.unwrap_or(last));
        cx.set(0, Datum::Sequence(items));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn erases_one() {
        let (a, b) = (f32s(&[1], &[1.0]), f32s(&[2], &[2.0, 3.0]));
        let items = Datum::Sequence(vec![a.clone().into(), b.clone().into()]);
        Case::new(SequenceErase {}).input(items.clone()).expect(Datum::Sequence(vec![a.into()]));
        Case::new(SequenceErase {})
            .input(items)
            .input(i64s(&[], &[-2]))
            .expect(Datum::Sequence(vec![b.into()]));
        Case::new(SequenceErase {}).input(Datum::Sequence(vec![])).expect_error("empty");
    }
}
