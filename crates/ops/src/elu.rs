//! `Elu`: <https://onnx.ai/onnx/operators/onnx__Elu.html>

use lehr_graph::{Builder, EvalCx, Flags, InferCx, Op, OpError, declare_op};
use lehr_kernels::elementwise::UnaryOp;

use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{UnaryKernel, all_f32, cpu_op};
use crate::formula::Formula;

declare_op! {
    /// x, and alpha·(e^x - 1) below 0.
    pub struct Elu("", "Elu", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {
        /// Factor of the negative side.
        alpha: f32 = 1.0,
    }
}

impl Op for Elu {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let alpha = f64::from(self.alpha);
        eval_float(cx, |x| if x < 0.0 { alpha * x.exp_m1() } else { x })
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (mut f, x) = Formula::on(builder, 0)?;
        let e = f.exp(x)?;
        let below = f.shift(e, -1.0)?;
        let negative = f.scale(below, self.alpha)?;
        let y = f.select_negative(x, negative, x)?;
        f.finish(y)
    }

    fn flags(&self) -> Flags {
        if self.alpha >= 0.0 { Self::SCHEMA.flags | Flags::MONOTONE } else { Self::SCHEMA.flags }
    }
}

cpu_op!(Elu, all_f32, |op| UnaryKernel(UnaryOp::Elu { alpha: op.alpha }));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-2.5, -0.5, 0.0, 0.5, 2.5]);
        let y = f32s(&[5], &[-1.835_83, -0.786_938_67, 0.0, 0.5, 2.5]);
        Case::new(Elu { alpha: 2.0 }).input(x).expect(y);
    }
}
