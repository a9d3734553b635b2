//! `Sigmoid`: <https://onnx.ai/onnx/operators/onnx__Sigmoid.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_kernels::elementwise::UnaryOp;

use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{UnaryKernel, all_f32, cpu_op};

declare_op! {
    /// 1 / (1 + e^-x).
    pub struct Sigmoid("", "Sigmoid", 13) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, MONOTONE) {}
}

impl Op for Sigmoid {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, |x| 1.0 / (1.0 + (-x).exp()))
    }
}

cpu_op!(Sigmoid, all_f32, |_op| UnaryKernel(UnaryOp::Sigmoid));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-20.0, -0.5, 0.0, 0.75, 10.0]);
        let y = f32s(&[5], &[2.0611537e-9, 0.377_540_68, 0.5, 0.679_178_7, 0.999_954_6]);
        Case::new(Sigmoid {}).input(x).expect(y);
    }
}
