//! `Ceil`: <https://onnx.ai/onnx/operators/onnx__Ceil.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{MapKernel, all_f32, cpu_op};

declare_op! {
    /// The least integer not below x.
    pub struct Ceil("", "Ceil", 13) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, MONOTONE, IDEMPOTENT) {}
}

impl Op for Ceil {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, f64::ceil)
    }
}

cpu_op!(Ceil, all_f32, |_op| MapKernel(f32::ceil));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[6], &[-1.5, -0.2, 0.0, 0.2, 1.5, 3.0]);
        let y = f32s(&[6], &[-1.0, -0.0, 0.0, 1.0, 2.0, 3.0]);
        Case::new(Ceil {}).input(x).expect(y);
    }
}
