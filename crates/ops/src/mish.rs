//! `Mish`: <https://onnx.ai/onnx/operators/onnx__Mish.html>

use lehr_graph::{Builder, EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float, infer_same};
use crate::formula::Formula;
use crate::softplus::{Softplus, softplus};
use crate::tanh::Tanh;

declare_op! {
    /// x·tanh(ln(1 + e^x)).
    pub struct Mish("", "Mish", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {}
}

impl Op for Mish {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, |x| x * softplus(x).tanh())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (mut f, x) = Formula::on(builder, 0)?;
        let soft = f.apply(Softplus {}, x)?;
        let gate = f.apply(Tanh {}, soft)?;
        let y = f.mul(x, gate)?;
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
        let y = f32s(&[5], &[-0.196_816_25, -0.220_743_78, 0.0, 0.375_245_18, 2.471_392_4]);
        Case::new(Mish {}).input(x).expect(y);
    }
}
