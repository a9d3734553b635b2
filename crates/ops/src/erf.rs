//! `Erf`: <https://onnx.ai/onnx/operators/onnx__Erf.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_kernels::elementwise::UnaryOp;

use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{UnaryKernel, all_f32, cpu_op};
use crate::error_function::erf;

declare_op! {
    /// The error function.
    pub struct Erf("", "Erf", 13) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, MONOTONE, ODD) {}
}

impl Op for Erf {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, erf)
    }
}

cpu_op!(Erf, all_f32, |_op| UnaryKernel(UnaryOp::Erf));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-3.0, -0.5, 0.0, 0.75, 1.5]);
        let y = f32s(&[5], &[-0.999_977_9, -0.520_499_9, 0.0, 0.711_155_65, 0.966_105_16]);
        Case::new(Erf {}).input(x).expect(y);
    }
}
