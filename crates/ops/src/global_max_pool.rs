//! `GlobalMaxPool`: <https://onnx.ai/onnx/operators/onnx__GlobalMaxPool.html>

use lehr_graph::{AxisMap, Cost, EvalCx, InferCx, Op, OpError, Signature, declare_op};

use crate::pooling::{eval_global, global_axes, global_cost, infer_global};

declare_op! {
    /// Largest element of each channel over all spatial axes.
    pub struct GlobalMaxPool("", "GlobalMaxPool", 22) inputs(1, 1) outputs(1, 1) flags() {}
}

impl Op for GlobalMaxPool {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_global(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_global(cx, |v| {
            v.iter().copied().fold(f64::NEG_INFINITY, |a, b| if b > a || b.is_nan() { b } else { a })
        })
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        global_cost(io)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        global_axes(io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn reduces_each_channel() {
        let x = f32s(&[1, 2, 3, 1], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        Case::new(GlobalMaxPool {}).input(x).expect(f32s(&[1, 2, 1, 1], &[3.0, 6.0]));
        Case::new(GlobalMaxPool {}).input(f32s(&[2], &[1.0, 2.0])).expect_error("rank");
    }
}
