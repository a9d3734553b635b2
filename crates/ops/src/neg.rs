//! `Neg`: <https://onnx.ai/onnx/operators/onnx__Neg.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_kernels::elementwise::UnaryOp;

use crate::elementwise::{Unary, eval_unary, infer_same};
use crate::elementwise_cpu::{UnaryKernel, all_f32, cpu_op};

declare_op! {
    /// -x; the most negative integer stays what it is.
    pub struct Neg("", "Neg", 13) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, ODD) {}
}

impl Op for Neg {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_unary(cx, &Unary { float: |x| -x, signed: i64::wrapping_neg, unsigned: u64::wrapping_neg })
    }
}

cpu_op!(Neg, all_f32, |_op| UnaryKernel(UnaryOp::Neg));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-2.5, -0.5, 0.0, 0.5, 2.5]);
        let y = f32s(&[5], &[2.5, 0.5, -0.0, -0.5, -2.5]);
        Case::new(Neg {}).input(x).expect(y);
    }
}
