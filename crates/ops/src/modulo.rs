//! `Mod`: <https://onnx.ai/onnx/operators/onnx__Mod.html>

use lehr_graph::{Builder, EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{Binary, eval_binary, infer_broadcast};
use crate::floor::Floor;
use crate::formula::Formula;
use crate::symbolic::infer_known_binary;

declare_op! {
    /// What remains of a / b, with the sign of b or, with `fmod`, of a.
    pub struct Mod("", "Mod", 28) inputs(2, 2) outputs(1, 1) flags(ELEMENTWISE) {
        /// The quotient is rounded toward zero, instead of down.
        fmod: bool = false,
    }
}

impl Op for Mod {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_broadcast(cx)?;
        if !self.fmod {
            infer_known_binary(cx, |a, b| a.modulo(b));
        }
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let unsigned = |a: u64, b: u64| a.checked_rem(b);
        if self.fmod {
            let signed = |a: i64, b: i64| (b != 0).then(|| a.wrapping_rem(b));
            return eval_binary(cx, &Binary { float: |a, b| a % b, signed, unsigned });
        }
        eval_binary(cx, &Binary { float: floored, signed: floored_integer, unsigned })
    }

    /// Before opset 28, floats had the quotient rounded toward zero alone.
    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (mut f, a) = Formula::on(builder, 0)?;
        let b = f.input(1)?;
        if self.fmod || !f.dtype().is_float() {
            return Ok(false);
        }
        let quotient = f.div(a, b)?;
        let quotient = f.apply(Floor {}, quotient)?;
        let whole = f.mul(quotient, b)?;
        let y = f.sub(a, whole)?;
        f.finish(y)
    }
}

fn floored(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest == 0.0 {
        0.0f64.copysign(b)
    } else if (rest < 0.0) != (b < 0.0) {
        rest + b
    } else {
        rest
    }
}

fn floored_integer(a: i64, b: i64) -> Option<i64> {
    let rest = if b == 0 { return None } else { a.wrapping_rem(b) };
    Some(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};
    use lehr_tensor::Tensor;

    #[test]
    fn signs() {
        let (a, b) = (i64s(&[4], &[-4, 7, 5, i64::MIN]), i64s(&[4], &[3, -3, 8, -1]));
        Case::new(Mod { fmod: false })
            .constant(a.clone())
            .constant(b.clone())
            .expect(i64s(&[4], &[2, -2, 5, 0]));
        Case::new(Mod { fmod: true }).input(a.clone()).input(b).expect(i64s(&[4], &[-1, 1, 5, 0]));
        Case::new(Mod { fmod: true }).input(a).input(i64s(&[], &[0])).expect_error("division by zero");
        let (a, b) = (f32s(&[2], &[-4.5, 5.0]), f32s(&[2], &[2.0, -3.0]));
        Case::new(Mod { fmod: false }).input(a.clone()).input(b.clone()).expect(f32s(&[2], &[1.5, -1.0]));
        Case::new(Mod { fmod: true }).input(a).input(b).expect(f32s(&[2], &[-0.5, 2.0]));
        let (a, b) = (Tensor::scalar(-1.0f32), Tensor::vector(vec![f32::INFINITY, f32::NEG_INFINITY]));
        assert_eq!(floored(-1.0, f64::INFINITY), f64::INFINITY);
        Case::new(Mod { fmod: true }).input(a).input(b).expect(f32s(&[2], &[-1.0, -1.0]));
    }
}
