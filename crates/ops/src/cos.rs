//! `Cos`: <https://onnx.ai/onnx/operators/onnx__Cos.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{MapKernel, all_f32, cpu_op};

declare_op! {
    /// cos(x).
    pub struct Cos("", "Cos", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, EVEN) {}
}

impl Op for Cos {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, f64::cos)
    }
}

cpu_op!(Cos, all_f32, |_op| MapKernel(f32::cos));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-3.0, -0.5, 0.0, 0.75, 10.0]);
        let y = f32s(&[5], &[-0.989_992_5, 0.877_582_55, 1.0, 0.731_688_86, -0.839_071_5]);
        Case::new(Cos {}).input(x).expect(y);
    }
}
