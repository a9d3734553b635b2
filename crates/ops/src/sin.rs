//! `Sin`: <https://onnx.ai/onnx/operators/onnx__Sin.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{MapKernel, all_f32, cpu_op};

declare_op! {
    /// sin(x).
    pub struct Sin("", "Sin", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, ODD) {}
}

impl Op for Sin {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, f64::sin)
    }
}

cpu_op!(Sin, all_f32, |_op| MapKernel(f32::sin));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-3.0, -0.5, 0.0, 0.75, 10.0]);
        let y = f32s(&[5], &[-0.141_12, -0.479_425_55, 0.0, 0.681_638_8, -0.544_021_07]);
        Case::new(Sin {}).input(x).expect(y);
    }
}
