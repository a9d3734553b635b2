//! `Round`: <https://onnx.ai/onnx/operators/onnx__Round.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{MapKernel, all_f32, cpu_op};

declare_op! {
    /// The nearest integer; halves go to the even one.
    pub struct Round("", "Round", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, MONOTONE, ODD, IDEMPOTENT) {}
}

impl Op for Round {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, f64::round_ties_even)
    }
}

cpu_op!(Round, all_f32, |_op| MapKernel(f32::round_ties_even));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[6], &[-4.5, -1.5, -0.5, 0.9, 2.3, 2.5]);
        let y = f32s(&[6], &[-4.0, -2.0, -0.0, 1.0, 2.0, 2.0]);
        Case::new(Round {}).input(x).expect(y);
    }
}
