//! `Asinh`: <https://onnx.ai/onnx/operators/onnx__Asinh.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float, infer_same};

declare_op! {
    /// The inverse of sinh.
    pub struct Asinh("", "Asinh", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, MONOTONE, ODD) {}
}

impl Op for Asinh {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, f64::asinh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-3.0, -0.5, 0.0, 0.75, 10.0]);
        let y = f32s(&[5], &[-1.818_446_5, -0.481_211_8, 0.0, std::f32::consts::LN_2, 2.998_223]);
        Case::new(Asinh {}).input(x).expect(y);
    }
}
