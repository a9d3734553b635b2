//! `Asin`: <https://onnx.ai/onnx/operators/onnx__Asin.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float, infer_same};

declare_op! {
    /// arcsin(x); NaN outside of -1..=1.
    pub struct Asin("", "Asin", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, MONOTONE, ODD) {}
}

impl Op for Asin {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, f64::asin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-1.0, -0.5, 0.0, 0.75, 1.0]);
        let y = f32s(&[5], &[-1.570_796_4, -std::f32::consts::FRAC_PI_6, 0.0, 0.848_062_16, 1.570_796_4]);
        Case::new(Asin {}).input(x).expect(y);
    }
}
