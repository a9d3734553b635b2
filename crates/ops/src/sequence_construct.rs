//! `SequenceConstruct`: <https://onnx.ai/onnx/operators/onnx__SequenceConstruct.html>

use lehr_graph::{Datum, EvalCx, InferCx, Op, OpError, ValueType, declare_op};

use crate::elementwise::common_dtype;

declare_op! {
    /// A sequence of the input tensors.
    pub struct SequenceConstruct("", "SequenceConstruct", 11) inputs(1, usize::MAX) outputs(1, 1)
    flags(DATA_MOVEMENT) {}
}

impl Op for SequenceConstruct {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        common_dtype(cx)?;
        let types: Vec<_> = (0..cx.n_inputs()).map(|i| cx.require(i).cloned()).collect::<Result<_, _>>()?;
        let item = types.into_iter().reduce(|a, b| a.join(&b)).unwrap_or_default();
        cx.set(0, ValueType::Sequence(Box::new(item)));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let items =
            (0..cx.n_inputs()).map(|i| Ok(cx.tensor(i)?.clone().into())).collect::<Result<_, OpError>>()?;
        cx.set(0, Datum::Sequence(items));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn keeps_the_order() {
        let (a, b) = (f32s(&[1], &[1.0]), f32s(&[2], &[2.0, 3.0]));
        Case::new(SequenceConstruct {})
            .input(a.clone())
            .input(b.clone())
            .expect(Datum::Sequence(vec![a.into(), b.into()]));
    }
}
