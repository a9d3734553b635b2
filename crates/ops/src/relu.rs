//! `Relu`: <https://onnx.ai/onnx/operators/onnx__Relu.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_kernels::elementwise::UnaryOp;

use crate::elementwise::{Unary, eval_unary, infer_same};
use crate::elementwise_cpu::{UnaryKernel, all_f32, cpu_op};

declare_op! {
    /// max(x, 0).
    pub struct Relu("", "Relu", 14) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, MONOTONE, IDEMPOTENT) {}
}

impl Op for Relu {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        // Not `f64::max`: a NaN stays a NaN.
        eval_unary(
            cx,
            &Unary { float: |x| if x < 0.0 { 0.0 } else { x }, signed: |x| x.max(0), unsigned: |x| x },
        )
    }
}

cpu_op!(Relu, all_f32, |_op| UnaryKernel(UnaryOp::Relu));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn clips_below_zero_and_keeps_nan() {
        let x = Tensor::vector(vec![-1.0f32, 0.0, 2.0, f32::NAN]);
        Case::new(Relu {}).input(x).expect(Tensor::vector(vec![0.0f32, 0.0, 2.0, f32::NAN]));
    }
}
