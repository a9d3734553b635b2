//! `Tanh`: <https://onnx.ai/onnx/operators/onnx__Tanh.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_kernels::elementwise::UnaryOp;

use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{UnaryKernel, all_f32, cpu_op};

declare_op! {
    /// tanh(x).
    pub struct Tanh("", "Tanh", 13) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, MONOTONE, ODD) {}
}

impl Op for Tanh {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, f64::tanh)
    }
}

cpu_op!(Tanh, all_f32, |_op| UnaryKernel(UnaryOp::Tanh));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-3.0, -0.5, 0.0, 0.75, 10.0]);
        let y = f32s(&[5], &[-0.995_054_8, -0.462_117_2, 0.0, 0.635_149, 1.0]);
        Case::new(Tanh {}).input(x).expect(y);
    }
}
