//! `ThresholdedRelu`: <https://onnx.ai/onnx/operators/onnx__ThresholdedRelu.html>

use lehr_graph::{Builder, EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float, infer_same};
use crate::formula::Formula;

declare_op! {
    /// x above alpha, else 0.
    pub struct ThresholdedRelu("", "ThresholdedRelu", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {
        /// Threshold.
        alpha: f32 = 1.0,
    }
}

impl Op for ThresholdedRelu {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let alpha = f64::from(self.alpha);
        eval_float(cx, |x| if x > alpha { x } else { 0.0 })
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (mut f, x) = Formula::on(builder, 0)?;
        let alpha = f.number(self.alpha)?;
        let zero = f.number(0.0)?;
        let above = f.less(alpha, x)?;
        let y = f.select(above, x, zero)?;
        f.finish(y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[4], &[-2.0, 0.5, 1.0, 2.0]);
        let y = f32s(&[4], &[0.0, 0.0, 0.0, 2.0]);
        Case::new(ThresholdedRelu { alpha: 1.0 }).input(x).expect(y);
    }
}
