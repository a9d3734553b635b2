//! `Mul`: <https://onnx.ai/onnx/operators/onnx__Mul.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, declare_op};
use lehr_kernels::elementwise::BinaryOp;

use crate::elementwise::{Binary, eval_binary, infer_broadcast};
use crate::elementwise_cpu::{ArithmeticKernel, cpu_op, two_f32};
use crate::legacy_broadcast::align_legacy_operands;
use crate::symbolic::infer_known_binary;

declare_op! {
    /// a · b with numpy-style broadcasting; integers wrap.
    pub struct Mul("", "Mul", 14) inputs(2, 2) outputs(1, 1) flags(ELEMENTWISE, COMMUTATIVE, ASSOCIATIVE)
    read(Self::read) {}
}

impl Mul {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let inputs = align_legacy_operands(cx)?;
        cx.emit(Self {}, inputs, 1)
    }
}

impl Op for Mul {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_broadcast(cx)?;
        infer_known_binary(cx, |a, b| a.mul(b));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_binary(
            cx,
            &Binary {
                float: |a, b| a * b,
                signed: |a, b| Some(a.wrapping_mul(b)),
                unsigned: |a, b| Some(a.wrapping_mul(b)),
            },
        )
    }
}

cpu_op!(Mul, two_f32, |_op| ArithmeticKernel(BinaryOp::Mul));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn values() {
        let a = Tensor::from_slice(&[2, 1], &[1.0f32, 10.0]).unwrap();
        let product = Tensor::from_slice(&[2, 2], &[0.5f32, 2.0, 5.0, 20.0]).unwrap();
        Case::new(Mul {}).input(a).input(Tensor::vector(vec![0.5f32, 2.0])).expect(product);
        Case::new(Mul {})
            .input(Tensor::vector(vec![100i8]))
            .input(Tensor::vector(vec![3i8]))
            .expect(Tensor::vector(vec![44i8]));
    }
}
