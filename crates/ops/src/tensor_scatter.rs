//! `TensorScatter`: <https://onnx.ai/onnx/operators/onnx__TensorScatter.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, attribute_enum, declare_op};

use crate::axis::resolve_axis;
use crate::movement::{Overwrite, count, move_elements};

attribute_enum! {
    /// What happens at the end of the cache.
    pub enum CacheMode {
        /// The updates must fit.
        Linear = "linear",
        /// Writing goes on at the start.
        Circular = "circular",
    }
}

declare_op! {
    /// Input 0 (a cache `[N, …]`) with the steps of input 1 written along `axis`, for each sample from the index in
    /// input 2 on, by default 0.
    pub struct TensorScatter("", "TensorScatter", 24) inputs(2, 3) outputs(1, 1) flags() {
        /// The axis of steps; may be negative; not the first one.
        axis: i64 = -2,
        /// What happens at the end of the cache.
        mode: CacheMode = CacheMode::Linear,
    }
}

impl Op for TensorScatter {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        if let Some(rank) = cx.rank(0) {
            resolve_axis(self.axis, rank)?;
        }
        cx.set_tensor(0, dtype, cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (cache, update) = (cx.tensor(0)?, cx.tensor(1)?);
        let axis = resolve_axis(self.axis, cache.rank())?;
        let (shape, new) = (cache.shape(), update.shape());
        let fits = new.len() == shape.len()
            && axis > 0
            && (0..shape.len()).all(|i| if i == axis { new[i] <= shape[i] } else { new[i] == shape[i] });
        if !fits {
            return Err(OpError::shape(format!(
                "an update of {new:?} for axis {axis} of a cache of {shape:?}"
            )));
        }
        if update.is_empty() {
            cx.set(0, cache.clone());
            return Ok(());
        }
        let (total, steps) = (shape[axis], new[axis]);
        let indices = cx.optional_ints(2)?.unwrap_or_else(|| vec![0; shape[0]]);
        if indices.len() != shape[0] {
            return Err(OpError::shape(format!("{} write indices for {} samples", indices.len(), shape[0])));
        }
        let (block, prefixes) = (count(&shape[axis + 1..]), count(&shape[..axis]));
        let per_sample = count(&shape[1..axis]);
        let mut starts = Vec::with_capacity(prefixes * steps);
        for prefix in 0..prefixes {
            let first = indices[prefix / per_sample];
            for step in 0..steps {
                let at = usize::try_from(first).ok().and_then(|first| match self.mode {
                    CacheMode::Circular => Some((first % total + step) % total),
                    CacheMode::Linear => first.checked_add(step).filter(|&at| at < total),
                });
                let at = at.ok_or_else(|| {
                    OpError::value(format!("{steps} steps from {first} on exceed a cache of {total}"))
                })?;
                starts.push((prefix * total + at) * block);
            }
        }
        let y = move_elements(&[cache, update], shape, &Overwrite { starts: &starts, block })?;
        cx.set(0, y);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, i64s};

    #[test]
    fn writes_behind_each_samples_own_index() {
        let (cache, update) = (i64s(&[2, 3, 1], &[0; 6]), i64s(&[2, 2, 1], &[1, 2, 3, 4]));
        let case = |mode, indices: &[i64]| {
            Case::new(TensorScatter { axis: -2, mode })
                .input(cache.clone())
                .input(update.clone())
                .input(i64s(&[2], indices))
        };
        case(CacheMode::Linear, &[0, 1]).expect(i64s(&[2, 3, 1], &[1, 2, 0, 0, 3, 4]));
        case(CacheMode::Circular, &[2, 4]).expect(i64s(&[2, 3, 1], &[2, 0, 1, 0, 3, 4]));
        case(CacheMode::Linear, &[0, 2]).expect_error("exceed");
    }
}
