//! `Add`: <https://onnx.ai/onnx/operators/onnx__Add.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, declare_op};
use lehr_kernels::elementwise::BinaryOp;

use crate::elementwise::{Binary, eval_binary, infer_broadcast};
use crate::elementwise_cpu::{ArithmeticKernel, cpu_op, two_f32};
use crate::legacy_broadcast::align_legacy_operands;
use crate::symbolic::infer_known_binary;

declare_op! {
    /// a + b with numpy-style broadcasting; integers wrap.
    pub struct Add("", "Add", 14) inputs(2, 2) outputs(1, 1) flags(ELEMENTWISE, COMMUTATIVE, ASSOCIATIVE)
    read(Self::read) {}
}

impl Add {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let inputs = align_legacy_operands(cx)?;
        cx.emit(Self {}, inputs, 1)
    }
}

impl Op for Add {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_broadcast(cx)?;
        infer_known_binary(cx, |a, b| a.add(b));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_binary(
            cx,
            &Binary {
                float: |a, b| a + b,
                signed: |a, b| Some(a.wrapping_add(b)),
                unsigned: |a, b| Some(a.wrapping_add(b)),
            },
        )
    }
}

cpu_op!(Add, two_f32, |_op| ArithmeticKernel(BinaryOp::Add));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn broadcasts_and_wraps() {
        let a = Tensor::from_slice(&[2, 1], &[1.0f32, 10.0]).unwrap();
        let b = Tensor::vector(vec![0.5f32, 1.5, 2.5]);
        let sum = Tensor::from_slice(&[2, 3], &[1.5f32, 2.5, 3.5, 10.5, 11.5, 12.5]).unwrap();
        Case::new(Add {}).input(a).input(b).expect(sum);
        Case::new(Add {})
            .input(Tensor::vector(vec![250u8]))
            .input(Tensor::vector(vec![10u8]))
            .expect(Tensor::vector(vec![4u8]));
    }
}
