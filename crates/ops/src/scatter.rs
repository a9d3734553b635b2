//! `Scatter`: <https://onnx.ai/onnx/operators/onnx__Scatter.html>
//!
//! Deprecated since opset 11 and read as `ScatterElements`.

use lehr_graph::{EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, WriteCx, declare_op};

use crate::scatter_elements::{Reduction, ScatterElements};

declare_op! {
    /// The old name of `ScatterElements` without a reduction.
    pub struct Scatter("", "Scatter", 11) inputs(3, 3) outputs(1, 1) flags()
    read(Self::read) {
        /// Axis; may be negative.
        axis: i64 = 0,
    }
}

impl Scatter {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let axis = cx.attribute("axis")?.unwrap_or(0);
        cx.emit_same(Self { axis }.modern())
    }

    fn modern(&self) -> ScatterElements {
        ScatterElements { axis: self.axis, reduction: Reduction::None }
    }
}

impl Op for Scatter {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        self.modern().infer(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        self.modern().eval(cx)
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        cx.rename("", "ScatterElements");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn replaces() {
        Case::new(Scatter { axis: 0 })
            .input(f32s(&[3], &[1.0, 2.0, 3.0]))
            .input(i64s(&[1], &[1]))
            .input(f32s(&[1], &[9.0]))
            .expect(f32s(&[3], &[1.0, 9.0, 3.0]));
    }
}
