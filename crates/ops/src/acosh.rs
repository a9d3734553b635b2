//! `Acosh`: <https://onnx.ai/onnx/operators/onnx__Acosh.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float, infer_same};

declare_op! {
    /// The inverse of cosh; NaN below 1.
    pub struct Acosh("", "Acosh", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, MONOTONE) {}
}

impl Op for Acosh {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, f64::acosh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[4], &[1.0, 1.5, 3.0, 10.0]);
        let y = f32s(&[4], &[0.0, 0.962_423_6, 1.762_747_2, 2.993_223]);
        Case::new(Acosh {}).input(x).expect(y);
    }
}
