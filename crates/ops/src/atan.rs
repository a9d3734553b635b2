//! `Atan`: <https://onnx.ai/onnx/operators/onnx__Atan.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float, infer_same};

declare_op! {
    /// arctan(x).
    pub struct Atan("", "Atan", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, MONOTONE, ODD) {}
}

impl Op for Atan {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, f64::atan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-3.0, -0.5, 0.0, 0.75, 10.0]);
        let y = f32s(&[5], &[-1.249_045_7, -0.463_647_6, 0.0, 0.643_501_1, 1.471_127_7]);
        Case::new(Atan {}).input(x).expect(y);
    }
}
