//! `BitwiseNot`: <https://onnx.ai/onnx/operators/onnx__BitwiseNot.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{Unary, eval_unary, infer_same};

declare_op! {
    /// Every bit flipped.
    pub struct BitwiseNot("", "BitwiseNot", 18) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {}
}

impl Op for BitwiseNot {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let dtype = cx.tensor(0)?.dtype();
        if !dtype.is_int() {
            return Err(OpError::input_type(0, "an integer type", dtype));
        }
        eval_unary(cx, &Unary { float: |_| f64::NAN, signed: |x| !x, unsigned: |x| !x })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn flips_bits() {
        Case::new(BitwiseNot {}).input(Tensor::vector(vec![5u8])).expect(Tensor::vector(vec![250u8]));
        Case::new(BitwiseNot {}).input(Tensor::vector(vec![5i32])).expect(Tensor::vector(vec![-6i32]));
    }
}
