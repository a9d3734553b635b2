//! `BitwiseXor`: <https://onnx.ai/onnx/operators/onnx__BitwiseXor.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::bitwise::eval_bitwise;
use crate::elementwise::infer_broadcast;

declare_op! {
    /// The bits that a or b has, not both.
    pub struct BitwiseXor("", "BitwiseXor", 18) inputs(2, 2) outputs(1, 1) flags(ELEMENTWISE, COMMUTATIVE, ASSOCIATIVE) {}
}

impl Op for BitwiseXor {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_broadcast(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_bitwise(cx, |a, b| Some(a ^ b), |a, b| Some(a ^ b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn signed_and_unsigned() {
        let a = Tensor::vector(vec![0b1100u16]);
        let b = Tensor::scalar(0b1010u16);
        Case::new(BitwiseXor {}).input(a).input(b).expect(Tensor::vector(vec![6u16]));
        let c = Tensor::vector(vec![-1i8]);
        Case::new(BitwiseXor {}).input(c).input(Tensor::scalar(-128i8)).expect(Tensor::vector(vec![127i8]));
        let float = Tensor::scalar(1.0f32);
        Case::new(BitwiseXor {}).input(float.clone()).input(float).expect_error("integer");
    }
}
