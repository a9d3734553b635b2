//! `Xor`: <https://onnx.ai/onnx/operators/onnx__Xor.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, declare_op};

use crate::legacy_broadcast::align_legacy_operands;
use crate::logical::{eval_logical, infer_logical};

declare_op! {
    /// Either a or b, not both.
    pub struct Xor("", "Xor", 7) inputs(2, 2) outputs(1, 1) flags(ELEMENTWISE, COMMUTATIVE, ASSOCIATIVE)
    read(Self::read) {}
}

impl Xor {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let inputs = align_legacy_operands(cx)?;
        cx.emit(Self {}, inputs, 1)
    }
}

impl Op for Xor {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_logical(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_logical(cx, |a, b| a ^ b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn truth_table() {
        let a = Tensor::from_slice(&[2, 1], &[false, true]).unwrap();
        let table = Tensor::from_slice(&[2, 2], &[false, true, true, false]).unwrap();
        Case::new(Xor {}).input(a).input(Tensor::vector(vec![false, true])).expect(table);
    }
}
