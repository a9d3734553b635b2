//! `HardSigmoid`: <https://onnx.ai/onnx/operators/onnx__HardSigmoid.html>

use lehr_graph::{Builder, EvalCx, Flags, InferCx, Op, OpError, declare_op};
use lehr_kernels::elementwise::UnaryOp;

use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{UnaryKernel, all_f32, cpu_op};
use crate::formula::Formula;

declare_op! {
    /// max(0, min(1, alpha·x + beta)).
    pub struct HardSigmoid("", "HardSigmoid", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {
        /// Slope.
        alpha: f32 = 0.2,
        /// Offset.
        beta: f32 = 0.5,
    }
}

impl Op for HardSigmoid {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (alpha, beta) = (f64::from(self.alpha), f64::from(self.beta));
        eval_float(cx, |x| (alpha * x + beta).clamp(0.0, 1.0))
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (mut f, x) = Formula::on(builder, 0)?;
        let scaled = f.scale(x, self.alpha)?;
        let line = f.shift(scaled, self.beta)?;
        let y = f.clip(line, 0.0, 1.0)?;
        f.finish(y)
    }

    fn flags(&self) -> Flags {
        if self.alpha >= 0.0 { Self::SCHEMA.flags | Flags::MONOTONE } else { Self::SCHEMA.flags }
    }
}

cpu_op!(HardSigmoid, all_f32, |op| UnaryKernel(UnaryOp::HardSigmoid { alpha: op.alpha, beta: op.beta }));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-2.5, -0.5, 0.0, 0.5, 2.5]);
        let y = f32s(&[5], &[0.0, 0.350_000_02, 0.6, 0.85, 1.0]);
        Case::new(HardSigmoid { alpha: 0.5, beta: 0.6 }).input(x).expect(y);
    }
}
