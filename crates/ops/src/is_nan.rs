//! `IsNaN`: <https://onnx.ai/onnx/operators/onnx__IsNaN.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float_predicate, infer_predicate};

declare_op! {
    /// Whether x is not a number.
    pub struct IsNaN("", "IsNaN", 20) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, EVEN) {}
}

impl Op for IsNaN {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_predicate(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float_predicate(cx, f64::is_nan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};
    use lehr_tensor::Tensor;

    #[test]
    fn finds_nan() {
        let x = f32s(&[3], &[1.0, f32::NAN, f32::INFINITY]);
        Case::new(IsNaN {}).input(x).expect(Tensor::vector(vec![false, true, false]));
    }
}
