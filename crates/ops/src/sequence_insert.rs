//! `SequenceInsert`: <https://onnx.ai/onnx/operators/onnx__SequenceInsert.html>

use lehr_graph::{Datum, EvalCx, InferCx, Op, OpError, ValueType, declare_op};

use crate::sequence_position::{item_type, position};

declare_op! {
    /// Sequence 0 with tensor 1 inserted before position 2, by default at the end.
    pub struct SequenceInsert("", "SequenceInsert", 11) inputs(2, 3) outputs(1, 1) flags(DATA_MOVEMENT) {}
}

impl Op for SequenceInsert {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let item = item_type(cx, 0)?;
        let new_dtype = cx.dtype(1)?;
        let joined = match (item.dtype(), new_dtype) {
            (Some(a), Some(b)) if a != b => return Err(OpError::input_type(1, a.name(), b)),
            _ => item.join(cx.require(1)?),
        };
        cx.set(0, ValueType::Sequence(Box::new(joined)));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let mut items = cx.sequence(0)?.to_vec();
        let new = cx.tensor(1)?.clone();
        let end = items.len();
        items.insert(position(cx, 2, end, end + 1)?.unwrap_or(end), new.into());
        cx.set(0, Datum::Sequence(items));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn inserts_before_or_behind() {
        let (a, b) = (f32s(&[1], &[1.0]), f32s(&[2], &[2.0, 3.0]));
        let items = Datum::Sequence(vec![a.clone().into()]);
        let sequence = |x: &lehr_tensor::Tensor, y: &lehr_tensor::Tensor| {
            Datum::Sequence(vec![x.clone().into(), y.clone().into()])
        };
        Case::new(SequenceInsert {}).input(items.clone()).input(b.clone()).expect(sequence(&a, &b));
        for at in [0, -1] {
            Case::new(SequenceInsert {})
                .input(items.clone())
                .input(b.clone())
                .input(i64s(&[], &[at]))
                .expect(sequence(&b, &a));
        }
    }
}
