//! `Sinh`: <https://onnx.ai/onnx/operators/onnx__Sinh.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float, infer_same};

declare_op! {
    /// sinh(x).
    pub struct Sinh("", "Sinh", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, MONOTONE, ODD) {}
}

impl Op for Sinh {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, f64::sinh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-3.0, -0.5, 0.0, 0.75, 5.0]);
        let y = f32s(&[5], &[-10.017_875, -0.521_095_3, 0.0, 0.822_316_77, 74.203_21]);
        Case::new(Sinh {}).input(x).expect(y);
    }
}
