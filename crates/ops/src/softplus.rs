//! `Softplus`: <https://onnx.ai/onnx/operators/onnx__Softplus.html>

use lehr_graph::{Builder, EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{MapKernel, all_f32, cpu_op};
use crate::formula::Formula;
use crate::log::Log;

declare_op! {
    /// ln(1 + e^x).
    pub struct Softplus("", "Softplus", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, MONOTONE) {}
}

impl Op for Softplus {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, softplus)
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (mut f, x) = Formula::on(builder, 0)?;
        let e = f.exp(x)?;
        let sum = f.shift(e, 1.0)?;
        let y = f.apply(Log {}, sum)?;
        f.finish(y)
    }
}

/// ln(1 + e^x) without overflow.
pub(crate) fn softplus(x: f64) -> f64 {
    if x.is_nan() { x } else { x.max(0.0) + (-x.abs()).exp().ln_1p() }
}

cpu_op!(Softplus, all_f32, |_op| MapKernel(|x: f32| if x.is_nan() {
    x
} else {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-5.0, -0.5, 0.0, 0.75, 50.0]);
        let y = f32s(&[5], &[0.006_715_348_5, 0.474_077, std::f32::consts::LN_2, 1.136_871, 50.0]);
        Case::new(Softplus {}).input(x).expect(y);
    }
}
