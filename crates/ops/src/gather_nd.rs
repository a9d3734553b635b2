//! `GatherND`: <https://onnx.ai/onnx/operators/onnx__GatherND.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, Shape, declare_op};
use lehr_tensor::{Tensor, row_major_strides};

use crate::movement::{Blocks, check_size, count, move_elements, resolve_index};

declare_op! {
    /// Slices of input 0, chosen by index tuples along the last axis of input 1.
    pub struct GatherND("", "GatherND", 13) inputs(2, 2) outputs(1, 1) flags(DATA_MOVEMENT) {
        /// How many leading axes of both inputs are a batch.
        batch_dims: i64 = 0,
    }
}

impl GatherND {
    fn batch(&self, data_rank: usize, indices_rank: usize) -> Result<usize, OpError> {
        match usize::try_from(self.batch_dims) {
            Ok(batch) if batch < data_rank && batch < indices_rank => Ok(batch),
            _ => Err(OpError::attribute(
                "batch_dims",
                format!("is {}, for inputs of rank {data_rank} and {indices_rank}", self.batch_dims),
            )),
        }
    }
}

impl Op for GatherND {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        cx.dtype(1)?;
        let shape = match (cx.shape(0), cx.shape(1)) {
            (Some(data), Some(indices)) => {
                let batch = self.batch(data.rank(), indices.rank())?;
                let (depth, kept) = match indices.dims() {
                    [kept @ .., depth] => (depth.as_fixed(), kept),
                    [] => (None, &[][..]),
                };
                depth.map(|depth| sliced(data.dims(), kept, batch, depth)).transpose()?
            }
            _ => None,
        };
        cx.set_tensor(0, dtype, shape.map(|dims| dims.into_iter().collect::<Shape>()));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (data, indices) = (cx.tensor(0)?, cx.tensor(1)?);
        let batch = self.batch(data.rank(), indices.rank())?;
        let Some((&depth, kept)) = indices.shape().split_last() else {
            return Err(OpError::shape("the indices need at least one axis"));
        };
        let shape = sliced(data.shape(), kept, batch, depth)?;
        check_size(cx.environment(), data.dtype(), &shape)?;
        if kept[..batch] != data.shape()[..batch] {
            return Err(OpError::shape(format!(
                "the batch axes differ: {:?} and {:?}",
                &data.shape()[..batch],
                &kept[..batch]
            )));
        }
        let (starts, block) = tuple_positions(data.shape(), indices, batch)?;
        let y = move_elements(&[data], &shape, &Blocks { starts: &starts, block })?;
        cx.set(0, y);
        Ok(())
    }
}

fn sliced<T: Clone>(data: &[T], kept: &[T], batch: usize, depth: usize) -> Result<Vec<T>, OpError> {
    let inner = data.get(batch.saturating_add(depth)..).ok_or_else(|| {
        OpError::shape(format!("index tuples of {depth} for {} axes", data.len() - batch.min(data.len())))
    })?;
    Ok([kept, inner].concat())
}

/// Where the slice of each index tuple starts in a tensor of `shape`, and how many elements it has.
pub(crate) fn tuple_positions(
    shape: &[usize],
    indices: &Tensor,
    batch: usize,
) -> Result<(Vec<usize>, usize), OpError> {
    let depth = indices.shape().last().copied().unwrap_or(0);
    let strides = row_major_strides(shape);
    let block = shape.get(batch + depth..).map_or(0, count);
    let batches: usize = count(&shape[..batch]);
    let batch_size: usize = count(&shape[batch..]);
    let tuples: usize = indices.shape().split_last().map_or(0, |(_, kept)| count(kept));
    if tuples == 0 {
        return Ok((Vec::new(), block));
    }
    let per_batch = tuples.checked_div(batches).unwrap_or(0).max(1);
    let numbers = indices.to_i64s()?;
    let mut starts = Vec::with_capacity(tuples);
    for tuple in 0..tuples {
        let mut start = (tuple / per_batch) * batch_size;
        for (k, &index) in numbers[tuple * depth..(tuple + 1) * depth].iter().enumerate() {
            start += resolve_index(index, shape[batch + k])? * strides[batch + k];
        }
        starts.push(start);
    }
    Ok((starts, block))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, i64s};

    #[test]
    fn the_examples_of_the_specification() {
        let x = i64s(&[2, 2, 2], &[0, 1, 2, 3, 4, 5, 6, 7]);
        Case::new(GatherND { batch_dims: 0 })
            .input(x.clone())
            .input(i64s(&[2, 2], &[0, 1, 1, 0]))
            .expect(i64s(&[2, 2], &[2, 3, 4, 5]));
        Case::new(GatherND { batch_dims: 1 })
            .input(x.clone())
            .input(i64s(&[2, 1], &[1, -2]))
            .expect(i64s(&[2, 2], &[2, 3, 4, 5]));
        Case::new(GatherND { batch_dims: 0 })
            .input(x)
            .input(i64s(&[1, 4], &[0; 4]))
            .expect_error("tuples of 4");
    }
}
