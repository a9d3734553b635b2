//! `Sqrt`: <https://onnx.ai/onnx/operators/onnx__Sqrt.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_kernels::elementwise::UnaryOp;

use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{UnaryKernel, all_f32, cpu_op};

declare_op! {
    /// √x; NaN below 0.
    pub struct Sqrt("", "Sqrt", 13) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, MONOTONE) {}
}

impl Op for Sqrt {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, f64::sqrt)
    }
}

cpu_op!(Sqrt, all_f32, |_op| UnaryKernel(UnaryOp::Sqrt));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[4], &[0.0, 0.25, 2.0, 9.0]);
        let y = f32s(&[4], &[0.0, 0.5, std::f32::consts::SQRT_2, 3.0]);
        Case::new(Sqrt {}).input(x).expect(y);
    }
}
