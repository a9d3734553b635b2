//! `Sub`: <https://onnx.ai/onnx/operators/onnx__Sub.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, declare_op};
use lehr_kernels::elementwise::BinaryOp;

use crate::elementwise::{Binary, eval_binary, infer_broadcast};
use crate::elementwise_cpu::{ArithmeticKernel, cpu_op, two_f32};
use crate::legacy_broadcast::align_legacy_operands;
use crate::symbolic::infer_known_binary;

declare_op! {
    /// a - b with numpy-style broadcasting; integers wrap.
    pub struct Sub("", "Sub", 14) inputs(2, 2) outputs(1, 1) flags(ELEMENTWISE)
    read(Self::read) {}
}

impl Sub {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let inputs = align_legacy_operands(cx)?;
        cx.emit(Self {}, inputs, 1)
    }
}

impl Op for Sub {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_broadcast(cx)?;
        infer_known_binary(cx, |a, b| a.sub(b));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_binary(
            cx,
            &Binary {
                float: |a, b| a - b,
                signed: |a, b| Some(a.wrapping_sub(b)),
                unsigned: |a, b| Some(a.wrapping_sub(b)),
            },
        )
    }
}

cpu_op!(Sub, two_f32, |_op| ArithmeticKernel(BinaryOp::Sub));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn values() {
        let a = Tensor::from_slice(&[2, 1], &[1.0f32, 10.0]).unwrap();
        let difference = Tensor::from_slice(&[2, 2], &[0.5f32, -1.0, 9.5, 8.0]).unwrap();
        Case::new(Sub {}).input(a).input(Tensor::vector(vec![0.5f32, 2.0])).expect(difference);
        Case::new(Sub {})
            .input(Tensor::vector(vec![3u8]))
            .input(Tensor::vector(vec![5u8]))
            .expect(Tensor::vector(vec![254u8]));
    }
}
