//! `Reciprocal`: <https://onnx.ai/onnx/operators/onnx__Reciprocal.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_kernels::elementwise::UnaryOp;

use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{UnaryKernel, all_f32, cpu_op};

declare_op! {
    /// 1 / x.
    pub struct Reciprocal("", "Reciprocal", 13) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, ODD) {}
}

impl Op for Reciprocal {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, |x| 1.0 / x)
    }
}

cpu_op!(Reciprocal, all_f32, |_op| UnaryKernel(UnaryOp::Reciprocal));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[3], &[-2.0, 0.25, 3.0]);
        let y = f32s(&[3], &[-0.5, 4.0, 0.333_333_34]);
        Case::new(Reciprocal {}).input(x).expect(y);
    }
}
