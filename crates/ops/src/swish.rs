//! `Swish`: <https://onnx.ai/onnx/operators/onnx__Swish.html>

use lehr_graph::{Builder, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_kernels::elementwise::UnaryOp;

use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{UnaryKernel, all_f32, cpu_op};
use crate::formula::Formula;
use crate::sigmoid::Sigmoid;

declare_op! {
    /// x / (1 + e^(-alpha·x)).
    pub struct Swish("", "Swish", 24) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {
        /// Factor inside of the sigmoid.
        alpha: f32 = 1.0,
    }
}

impl Op for Swish {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let alpha = f64::from(self.alpha);
        eval_float(cx, |x| x / (1.0 + (-alpha * x).exp()))
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (mut f, x) = Formula::on(builder, 0)?;
        let scaled = if self.alpha == 1.0 { x } else { f.scale(x, self.alpha)? };
        let gate = f.apply(Sigmoid {}, scaled)?;
        let y = f.mul(x, gate)?;
        f.finish(y)
    }
}

cpu_op!(Swish, all_f32, |op| UnaryKernel(UnaryOp::Swish { alpha: op.alpha }));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-2.5, -0.5, 0.0, 0.5, 2.5]);
        let y = f32s(&[5], &[-0.057_443_425, -0.160_410_66, 0.0, 0.339_589_36, 2.442_556_6]);
        Case::new(Swish { alpha: 1.5 }).input(x).expect(y);
    }
}
