//! `Exp`: <https://onnx.ai/onnx/operators/onnx__Exp.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_kernels::elementwise::UnaryOp;

use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{UnaryKernel, all_f32, cpu_op};

declare_op! {
    /// e^x.
    pub struct Exp("", "Exp", 13) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, MONOTONE) {}
}

impl Op for Exp {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, f64::exp)
    }
}

cpu_op!(Exp, all_f32, |_op| UnaryKernel(UnaryOp::Exp));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-3.0, -0.5, 0.0, 0.75, 5.0]);
        let y = f32s(&[5], &[0.049_787_067, 0.606_530_67, 1.0, 2.117, 148.413_16]);
        Case::new(Exp {}).input(x).expect(y);
    }
}
