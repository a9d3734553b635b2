//! `Atanh`: <https://onnx.ai/onnx/operators/onnx__Atanh.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float, infer_same};

declare_op! {
    /// The inverse of tanh; NaN outside of -1..=1.
    pub struct Atanh("", "Atanh", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, MONOTONE, ODD) {}
}

impl Op for Atanh {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, f64::atanh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[4], &[-0.9, -0.5, 0.0, 0.75]);
        let y = f32s(&[4], &[-1.472_219_3, -0.549_306_15, 0.0, 0.972_955_05]);
        Case::new(Atanh {}).input(x).expect(y);
    }
}
