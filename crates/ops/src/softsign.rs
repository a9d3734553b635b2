//! `Softsign`: <https://onnx.ai/onnx/operators/onnx__Softsign.html>

use lehr_graph::{Builder, EvalCx, InferCx, Op, OpError, declare_op};

use crate::abs::Abs;
use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{MapKernel, all_f32, cpu_op};
use crate::formula::Formula;

declare_op! {
    /// x / (1 + |x|).
    pub struct Softsign("", "Softsign", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, MONOTONE, ODD) {}
}

impl Op for Softsign {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, |x| if x.is_infinite() { x.signum() } else { x / (1.0 + x.abs()) })
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (mut f, x) = Formula::on(builder, 0)?;
        let magnitude = f.apply(Abs {}, x)?;
        let divisor = f.shift(magnitude, 1.0)?;
        let y = f.div(x, divisor)?;
        f.finish(y)
    }
}

cpu_op!(Softsign, all_f32, |_op| MapKernel(|x: f32| if x.is_infinite() {
    x.signum()
} else {
    x / (1.0 + x.abs())
}));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-2.5, -0.5, 0.0, 0.5, 2.5]);
        let y = f32s(&[5], &[-0.714_285_73, -0.333_333_34, 0.0, 0.333_333_34, 0.714_285_73]);
        Case::new(Softsign {}).input(x).expect(y);
    }
}
