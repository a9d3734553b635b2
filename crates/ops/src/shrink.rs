//! `Shrink`: <https://onnx.ai/onnx/operators/onnx__Shrink.html>

use lehr_graph::{Builder, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::{Tensor, Wide};

use crate::elementwise::infer_same;
use crate::formula::Formula;

declare_op! {
    /// x + bias below -lambd, x - bias above lambd, 0 between.
    pub struct Shrink("", "Shrink", 9) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {
        /// How far values move.
        bias: f32 = 0.0,
        /// Half the width of the gap.
        lambd: f32 = 0.5,
    }
}

impl Shrink {
    fn shrunk(&self, x: f64) -> f64 {
        let (bias, lambd) = (f64::from(self.bias), f64::from(self.lambd));
        if x < -lambd {
            x + bias
        } else if x > lambd {
            x - bias
        } else {
            0.0
        }
    }
}

impl Op for Shrink {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let y = match x.widen() {
            Wide::F(v) => Wide::F(v.into_iter().map(|x| self.shrunk(x)).collect()),
            // Integers are truncated, as the reference does.
            Wide::I(v) => Wide::I(v.into_iter().map(|x| self.shrunk(x as f64) as i64).collect()),
            Wide::U(v) => Wide::U(v.into_iter().map(|x| self.shrunk(x as f64) as u64).collect()),
            _ => return Err(OpError::input_type(0, "a numeric type", x.dtype())),
        };
        cx.set(0, Tensor::narrow(x.dtype(), x.shape(), y)?);
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (mut f, x) = Formula::on(builder, 0)?;
        if !f.dtype().is_float() {
            return Ok(false);
        }
        let (low, high) = (f.number(-self.lambd)?, f.number(self.lambd)?);
        let (below, above) = (f.less(x, low)?, f.less(high, x)?);
        let (up, down) = (f.shift(x, self.bias)?, f.shift(x, -self.bias)?);
        let zero = f.number(0.0)?;
        let inner = f.select(above, down, zero)?;
        let y = f.select(below, up, inner)?;
        f.finish(y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn hard_and_soft() {
        let x = f32s(&[5], &[-2.0, -1.0, 0.0, 1.0, 2.0]);
        Case::new(Shrink { bias: 0.0, lambd: 1.5 })
            .input(x.clone())
            .expect(f32s(&[5], &[-2.0, 0.0, 0.0, 0.0, 2.0]));
        Case::new(Shrink { bias: 1.5, lambd: 1.5 }).input(x).expect(f32s(&[5], &[-0.5, 0.0, 0.0, 0.0, 0.5]));
        Case::new(Shrink { bias: 1.0, lambd: 0.5 }).input(i64s(&[2], &[-3, 4])).expect(i64s(&[2], &[-2, 3]));
    }
}
