//! `Celu`: <https://onnx.ai/onnx/operators/onnx__Celu.html>

use lehr_graph::{Builder, EvalCx, Flags, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float, infer_same};
use crate::elu::Elu;
use crate::formula::Formula;

declare_op! {
    /// max(0, x) + min(0, alpha·(e^(x / alpha) - 1)).
    pub struct Celu("", "Celu", 28) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {
        /// Size of the bend.
        alpha: f32 = 1.0,
    }
}

impl Op for Celu {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let alpha = f64::from(self.alpha);
        // Not `max` and `min`: a NaN stays a NaN.
        eval_float(cx, |x| if x < 0.0 { alpha * (x / alpha).exp_m1() } else { x })
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (mut f, x) = Formula::on(builder, 0)?;
        let alpha = f.number(self.alpha)?;
        let scaled = f.div(x, alpha)?;
        let elu = f.apply(Elu { alpha: 1.0 }, scaled)?;
        let y = f.mul(alpha, elu)?;
        f.finish(y)
    }

    fn flags(&self) -> Flags {
        if self.alpha > 0.0 { Self::SCHEMA.flags | Flags::MONOTONE } else { Self::SCHEMA.flags }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-2.5, -0.5, 0.0, 0.5, 2.5]);
        let y = f32s(&[5], &[-1.426_990_5, -0.442_398_55, 0.0, 0.5, 2.5]);
        Case::new(Celu { alpha: 2.0 }).input(x).expect(y);
    }
}
