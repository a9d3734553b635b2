//! `Cosh`: <https://onnx.ai/onnx/operators/onnx__Cosh.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float, infer_same};

declare_op! {
    /// cosh(x).
    pub struct Cosh("", "Cosh", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, EVEN) {}
}

impl Op for Cosh {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, f64::cosh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-3.0, -0.5, 0.0, 0.75, 5.0]);
        let y = f32s(&[5], &[10.067_661, 1.127_626_1, 1.0, 1.294_683_3, 74.209_946]);
        Case::new(Cosh {}).input(x).expect(y);
    }
}
