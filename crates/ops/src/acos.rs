//! `Acos`: <https://onnx.ai/onnx/operators/onnx__Acos.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float, infer_same};

declare_op! {
    /// arccos(x); NaN outside of -1..=1.
    pub struct Acos("", "Acos", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {}
}

impl Op for Acos {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, f64::acos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-1.0, -0.5, 0.0, 0.75, 1.0]);
        let y = f32s(&[5], &[std::f32::consts::PI, 2.094_395_2, 1.570_796_4, 0.722_734_2, 0.0]);
        Case::new(Acos {}).input(x).expect(y);
    }
}
