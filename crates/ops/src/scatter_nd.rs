//! `ScatterND`: <https://onnx.ai/onnx/operators/onnx__ScatterND.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, WriteCx, declare_op};

use crate::gather_nd::tuple_positions;
use crate::scatter_reduction::{Reduction, scatter};

declare_op! {
    /// Input 0 with the slices in input 2 at the places that the index tuples along the last axis of input 1 name.
    pub struct ScatterND("", "ScatterND", 18) inputs(3, 3) outputs(1, 1) flags() {
        /// How an update meets the element that is there.
        reduction: Reduction = Reduction::None,
    }
}

impl Op for ScatterND {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        cx.set_tensor(0, dtype, cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (data, indices, updates) = (cx.tensor(0)?, cx.tensor(1)?, cx.tensor(2)?);
        let Some((&depth, kept)) = indices.shape().split_last() else {
            return Err(OpError::shape("the indices need at least one axis"));
        };
        let inner = data.shape().get(depth..).ok_or_else(|| {
            OpError::shape(format!("index tuples of {depth} for an input of rank {}", data.rank()))
        })?;
        let expected = [kept, inner].concat();
        if updates.shape() != expected {
            return Err(OpError::shape(format!(
                "expected updates of {expected:?}, got {:?}",
                updates.shape()
            )));
        }
        let (starts, block) = tuple_positions(data.shape(), indices, 0)?;
        let y = scatter(data, updates, &starts, block, self.reduction)?;
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
    fn puts_slices_and_combines() {
        let x = f32s(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        for (reduction, want) in [
            (Reduction::None, [1.0, 2.0, 3.0, 4.0, 9.0, 10.0]),
            (Reduction::Add, [1.0, 2.0, 3.0, 4.0, 21.0, 24.0]),
        ] {
            Case::new(ScatterND { reduction })
                .input(x.clone())
                .input(i64s(&[2, 1], &[2, -1]))
                .input(f32s(&[2, 2], &[7.0, 8.0, 9.0, 10.0]))
                .expect(f32s(&[3, 2], &want));
        }
    }
}
