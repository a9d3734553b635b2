//! `Selu`: <https://onnx.ai/onnx/operators/onnx__Selu.html>

use lehr_graph::{Builder, EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, declare_op};

use crate::elementwise::{eval_float, infer_same};
use crate::formula::Formula;

declare_op! {
    /// gamma·x, and gamma·alpha·(e^x - 1) up to 0.
    pub struct Selu("", "Selu", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE)
    read(Self::read) {
        /// Factor of the negative side.
        alpha: f32 = 1.673_263_2,
        /// Factor of both sides.
        gamma: f32 = 1.050_701,
    }
}

impl Selu {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let (alpha, gamma) = if cx.opset() < 6 { (1.6732, 1.0507) } else { (1.673_263_2, 1.050_701) };
        let op = Self {
            alpha: cx.attribute("alpha")?.unwrap_or(alpha),
            gamma: cx.attribute("gamma")?.unwrap_or(gamma),
        };
        cx.emit_same(op)
    }
}

impl Op for Selu {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (alpha, gamma) = (f64::from(self.alpha), f64::from(self.gamma));
        eval_float(cx, |x| gamma * if x <= 0.0 { alpha * x.exp_m1() } else { x })
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (mut f, x) = Formula::on(builder, 0)?;
        let e = f.exp(x)?;
        let below = f.shift(e, -1.0)?;
        let negative = f.scale(below, self.alpha)?;
        let bent = f.select_negative(x, negative, x)?;
        let y = f.scale(bent, self.gamma)?;
        f.finish(y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-2.5, -0.5, 0.0, 0.5, 2.5]);
        let y = f32s(&[5], &[-5.507_49, -2.360_816, 0.0, 1.5, 7.5]);
        Case::new(Selu { alpha: 2.0, gamma: 3.0 }).input(x).expect(y);
    }
}
