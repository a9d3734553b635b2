//! `Log`: <https://onnx.ai/onnx/operators/onnx__Log.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{MapKernel, all_f32, cpu_op};

declare_op! {
    /// The natural logarithm; NaN below 0.
    pub struct Log("", "Log", 13) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, MONOTONE) {}
}

impl Op for Log {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, f64::ln)
    }
}

cpu_op!(Log, all_f32, |_op| MapKernel(f32::ln));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[0.1, 0.5, 1.0, 0.75, 5.0]);
        let y =
            f32s(&[5], &[-std::f32::consts::LN_10, -std::f32::consts::LN_2, 0.0, -0.287_682_1, 1.609_438]);
        Case::new(Log {}).input(x).expect(y);
    }
}
