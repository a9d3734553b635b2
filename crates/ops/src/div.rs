//! `Div`: <https://onnx.ai/onnx/operators/onnx__Div.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, declare_op};
use lehr_kernels::elementwise::BinaryOp;

use crate::elementwise::{Binary, eval_binary, infer_broadcast};
use crate::elementwise_cpu::{ArithmeticKernel, cpu_op, two_f32};
use crate::legacy_broadcast::align_legacy_operands;
use crate::symbolic::infer_known_binary;

declare_op! {
    /// a / b with numpy-style broadcasting; integers are divided toward zero.
    pub struct Div("", "Div", 14) inputs(2, 2) outputs(1, 1) flags(ELEMENTWISE)
    read(Self::read) {}
}

impl Div {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let inputs = align_legacy_operands(cx)?;
        cx.emit(Self {}, inputs, 1)
    }
}

impl Op for Div {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_broadcast(cx)?;
        infer_known_binary(cx, |a, b| a.truncating_div(b));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_binary(
            cx,
            &Binary {
                float: |a, b| a / b,
                signed: |a, b| (b != 0).then(|| a.wrapping_div(b)),
                unsigned: |a, b| a.checked_div(b),
            },
        )
    }
}

cpu_op!(Div, two_f32, |_op| ArithmeticKernel(BinaryOp::Div));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn values() {
        let a = Tensor::from_slice(&[2, 1], &[1.0f32, 10.0]).unwrap();
        let quotient = Tensor::from_slice(&[2, 2], &[2.0f32, 0.5, 20.0, 5.0]).unwrap();
        Case::new(Div {}).input(a).input(Tensor::vector(vec![0.5f32, 2.0])).expect(quotient);
        let a = Tensor::vector(vec![-7i32, 7, i32::MIN]);
        let b = Tensor::vector(vec![2i32, -2, -1]);
        Case::new(Div {}).input(a.clone()).input(b).expect(Tensor::vector(vec![-3i32, -3, i32::MIN]));
        Case::new(Div {}).input(a).input(Tensor::scalar(0i32)).expect_error("division by zero");
    }
}
