//! `LeakyRelu`: <https://onnx.ai/onnx/operators/onnx__LeakyRelu.html>

use lehr_graph::{Builder, EvalCx, Flags, InferCx, Op, OpError, declare_op};
use lehr_kernels::elementwise::UnaryOp;

use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{UnaryKernel, all_f32, cpu_op};
use crate::formula::Formula;

declare_op! {
    /// x, and alpha·x below 0.
    pub struct LeakyRelu("", "LeakyRelu", 16) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {
        /// Slope of the negative side.
        alpha: f32 = 0.01,
    }
}

impl Op for LeakyRelu {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let alpha = f64::from(self.alpha);
        eval_float(cx, |x| if x < 0.0 { alpha * x } else { x })
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (mut f, x) = Formula::on(builder, 0)?;
        let negative = f.scale(x, self.alpha)?;
        let y = f.select_negative(x, negative, x)?;
        f.finish(y)
    }

    fn flags(&self) -> Flags {
        if self.alpha >= 0.0 { Self::SCHEMA.flags | Flags::MONOTONE } else { Self::SCHEMA.flags }
    }
}

cpu_op!(LeakyRelu, all_f32, |op| UnaryKernel(UnaryOp::LeakyRelu { slope: op.alpha }));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-2.5, -0.5, 0.0, 0.5, 2.5]);
        let y = f32s(&[5], &[-0.25, -0.05, 0.0, 0.5, 2.5]);
        Case::new(LeakyRelu { alpha: 0.1 }).input(x).expect(y);
    }
}
