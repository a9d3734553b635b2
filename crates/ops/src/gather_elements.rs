//! `GatherElements`: <https://onnx.ai/onnx/operators/onnx__GatherElements.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::{Tensor, row_major_strides};

use crate::axis::resolve_axis;
use crate::movement::{Blocks, StridedIndex, check_size, move_elements, resolve_index};

declare_op! {
    /// One element of input 0 for each index in input 1: taken from the index's own place, except along `axis`.
    pub struct GatherElements("", "GatherElements", 13) inputs(2, 2) outputs(1, 1) flags(DATA_MOVEMENT) {
        /// Axis; may be negative.
        axis: i64 = 0,
    }
}

impl Op for GatherElements {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        cx.dtype(1)?;
        if let Some(rank) = cx.rank(0) {
            resolve_axis(self.axis, rank)?;
        }
        cx.set_tensor(0, dtype, cx.shape(1).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (data, indices) = (cx.tensor(0)?, cx.tensor(1)?);
        check_size(cx.environment(), data.dtype(), indices.shape())?;
        let starts = element_positions(data.shape(), indices, self.axis)?;
        let y = move_elements(&[data], indices.shape(), &Blocks { starts: &starts, block: 1 })?;
        cx.set(0, y);
        Ok(())
    }
}

/// The position in a tensor of `shape` that each of `indices` stands for when it replaces its own index along `axis`.
pub(crate) fn element_positions(shape: &[usize], indices: &Tensor, axis: i64) -> Result<Vec<usize>, OpError> {
    let axis = resolve_axis(axis, shape.len())?;
    let own = indices.shape();
    let fits = own.len() == shape.len() && (0..own.len()).all(|i| i == axis || own[i] <= shape[i]);
    if !fits {
        return Err(OpError::shape(format!(
            "expected indices within the shape {shape:?} but for axis {axis}, got {own:?}"
        )));
    }
    let mut strides = row_major_strides(shape);
    let stride = std::mem::replace(&mut strides[axis], 0);
    let indices = indices.to_i64s()?;
    StridedIndex::new(own, &strides)
        .zip(indices)
        .map(|(offset, index)| Ok(offset + resolve_index(index, shape[axis])? * stride))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn along_both_axes() {
        let x = f32s(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        Case::new(GatherElements { axis: 0 })
            .input(x.clone())
            .input(i64s(&[2, 2], &[2, 0, -1, 1]))
            .expect(f32s(&[2, 2], &[5.0, 2.0, 5.0, 4.0]));
        Case::new(GatherElements { axis: -1 })
            .input(x.clone())
            .input(i64s(&[3, 1], &[1, 0, 1]))
            .expect(f32s(&[3, 1], &[2.0, 3.0, 6.0]));
        Case::new(GatherElements { axis: 0 })
            .input(x)
            .input(i64s(&[1, 3], &[0, 0, 0]))
            .expect_error("within");
    }
}
