//! `GlobalLpPool`: <https://onnx.ai/onnx/operators/onnx__GlobalLpPool.html>

use lehr_graph::{AxisMap, Cost, EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, Signature, declare_op};

use crate::lp_pool::{norm, norm_as_integer};
use crate::pooling::{eval_global, global_axes, global_cost, infer_global};

declare_op! {
    /// p-norm of each channel over all spatial axes.
    pub struct GlobalLpPool("", "GlobalLpPool", 22) inputs(1, 1) outputs(1, 1) flags() read(Self::read) {
        /// Which norm.
        p: i64 = 2,
    }
}

impl GlobalLpPool {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let attributes = norm_as_integer(cx)?;
        cx.emit_same(Self::from_attributes(&attributes)?)
    }
}

impl Op for GlobalLpPool {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_global(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_global(cx, |v| norm(v.iter().copied(), self.p))
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
    fn euclidean() {
        let x = f32s(&[1, 1, 2, 2], &[1.0, 1.0, 3.0, 5.0]);
        Case::new(GlobalLpPool { p: 2 }).input(x).expect(f32s(&[1, 1, 1, 1], &[6.0]));
    }
}
