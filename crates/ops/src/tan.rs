//! `Tan`: <https://onnx.ai/onnx/operators/onnx__Tan.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float, infer_same};

declare_op! {
    /// tan(x).
    pub struct Tan("", "Tan", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, ODD) {}
}

impl Op for Tan {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, f64::tan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-1.0, -0.5, 0.0, 0.75, 1.25]);
        let y = f32s(&[5], &[-1.557_407_7, -0.546_302_5, 0.0, 0.931_596_46, 3.009_569_6]);
        Case::new(Tan {}).input(x).expect(y);
    }
}
