//! `Sign`: <https://onnx.ai/onnx/operators/onnx__Sign.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{Unary, eval_unary, infer_same};

declare_op! {
    /// -1, 0 or 1.
    pub struct Sign("", "Sign", 13) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, MONOTONE, ODD, IDEMPOTENT) {}
}

impl Op for Sign {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_unary(
            cx,
            &Unary {
                // Not `signum`: zero has no sign here and a NaN stays a NaN.
                float: |x| if x == 0.0 { 0.0 } else { x.signum() },
                signed: i64::signum,
                unsigned: |x| x.min(1),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-2.5, -0.5, 0.0, 0.5, 2.5]);
        let y = f32s(&[5], &[-1.0, -1.0, 0.0, 1.0, 1.0]);
        Case::new(Sign {}).input(x).expect(y);
    }
}
