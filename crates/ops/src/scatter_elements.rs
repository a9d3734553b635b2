//! `ScatterElements`: <https://onnx.ai/onnx/operators/onnx__ScatterElements.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, WriteCx, declare_op};

use crate::axis::resolve_axis;
use crate::gather_elements::element_positions;
pub use crate::scatter_reduction::Reduction;
use crate::scatter_reduction::scatter;

declare_op! {
    /// Input 0 with the updates in input 2 at the places that the indices in input 1 replace along `axis`.
    pub struct ScatterElements("", "ScatterElements", 18) inputs(3, 3) outputs(1, 1) flags() {
        /// Axis; may be negative.
        axis: i64 = 0,
        /// How an update meets the element that is there.
        reduction: Reduction = Reduction::None,
    }
}

impl Op for ScatterElements {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        if let Some(rank) = cx.rank(0) {
            resolve_axis(self.axis, rank)?;
        }
        cx.set_tensor(0, dtype, cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (data, indices, updates) = (cx.tensor(0)?, cx.tensor(1)?, cx.tensor(2)?);
        if indices.shape() != updates.shape() {
            return Err(OpError::shape(format!(
                "indices and updates need one shape, got {:?} and {:?}",
                indices.shape(),
                updates.shape()
            )));
        }
        let starts = element_positions(data.shape(), indices, self.axis)?;
        let y = scatter(data, updates, &starts, 1, self.reduction)?;
        cx.set(0, y);
        Ok(())
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        self.reduction.write(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn replaces_or_combines() {
        let x = f32s(&[1, 4], &[1.0, 2.0, 3.0, 4.0]);
        for (reduction, want) in [
            (Reduction::None, [1.0, 6.0, 3.0, 7.0]),
            (Reduction::Add, [1.0, 13.0, 3.0, 11.0]),
            (Reduction::Mul, [1.0, 60.0, 3.0, 28.0]),
            (Reduction::Max, [1.0, 6.0, 3.0, 7.0]),
            (Reduction::Min, [1.0, 2.0, 3.0, 4.0]),
        ] {
            Case::new(ScatterElements { axis: 1, reduction })
                .input(x.clone())
                .input(i64s(&[1, 3], &[1, -3, 3]))
                .input(f32s(&[1, 3], &[5.0, 6.0, 7.0]))
                .expect(f32s(&[1, 4], &want));
        }
    }
}
