//! `HardSwish`: <https://onnx.ai/onnx/operators/onnx__HardSwish.html>

use lehr_graph::{Builder, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_kernels::elementwise::UnaryOp;

use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{UnaryKernel, all_f32, cpu_op};
use crate::formula::Formula;
use crate::hard_sigmoid::HardSigmoid;

declare_op! {
    /// x·max(0, min(1, x / 6 + 1 / 2)).
    pub struct HardSwish("", "HardSwish", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {}
}

impl Op for HardSwish {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0))
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (mut f, x) = Formula::on(builder, 0)?;
        let gate = f.apply(HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 }, x)?;
        let y = f.mul(x, gate)?;
        f.finish(y)
    }
}

cpu_op!(HardSwish, all_f32, |_op| UnaryKernel(UnaryOp::HardSwish));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-4.0, -2.0, 0.0, 2.0, 4.0]);
        let y = f32s(&[5], &[-0.0, -0.333_333_3, 0.0, 1.666_666_7, 4.0]);
        Case::new(HardSwish {}).input(x).expect(y);
    }
}
