//! `IsInf`: <https://onnx.ai/onnx/operators/onnx__IsInf.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float_predicate, infer_predicate};

declare_op! {
    /// Whether x is infinite.
    pub struct IsInf("", "IsInf", 20) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {
        /// Minus infinity counts.
        detect_negative: bool = true,
        /// Plus infinity counts.
        detect_positive: bool = true,
    }
}

impl Op for IsInf {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_predicate(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float_predicate(cx, |x| {
            (self.detect_negative && x == f64::NEG_INFINITY) || (self.detect_positive && x == f64::INFINITY)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};
    use lehr_tensor::Tensor;

    #[test]
    fn finds_either_sign() {
        let x = f32s(&[3], &[1.0, f32::NEG_INFINITY, f32::INFINITY]);
        for (detect_negative, detect_positive) in [(true, true), (true, false), (false, true)] {
            Case::new(IsInf { detect_negative, detect_positive })
                .input(x.clone())
                .expect(Tensor::vector(vec![false, detect_negative, detect_positive]));
        }
    }
}
