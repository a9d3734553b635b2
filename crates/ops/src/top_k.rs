//! `TopK`: <https://onnx.ai/onnx/operators/onnx__TopK.html>

use std::cmp::Ordering;

use lehr_graph::{
    Dim, EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx, ReadValues, Shape, Signature,
    declare_op,
};
use lehr_tensor::{DataType, Tensor, Wide};

use crate::axis::resolve_axis;
use crate::movement::{Blocks, count, move_elements};
use crate::order::compare_elements;
use crate::renamed_axes::along_axis;

declare_op! {
    /// The K (input 1) largest or smallest elements along `axis`, and their indices; of equal ones the first.
    pub struct TopK("", "TopK", 24) inputs(2, 2) outputs(1, 2) flags()
    read(Self::read) {
        /// Axis; may be negative.
        axis: i64 = -1,
        /// The largest instead of the smallest.
        largest: bool = true,
        /// In order.
        sorted: bool = true,
    }
}

impl TopK {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let op = Self::from_attributes(cx.attributes())?;
        if cx.opset() >= 10 {
            return cx.emit_same(op);
        }
        let (data, k): (_, i64) = (cx.require(0)?, cx.attributes().require("k")?);
        let k = cx.ints(&[k]);
        let n = cx.n_outputs();
        cx.emit(op, vec![Some(data), Some(k)], n)
    }
}

impl Op for TopK {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let shape = match cx.shape(0) {
            Some(shape) => {
                let axis = resolve_axis(self.axis, shape.rank())?;
                let k = cx.known(1).and_then(|k| k.sole().map(|k| k.to_dim()));
                let mut shape: Shape = shape.clone();
                shape.dims_mut()[axis] = k.unwrap_or(Dim::Unknown);
                Some(shape)
            }
            None => None,
        };
        cx.set_tensor(0, dtype, shape.clone());
        cx.set_tensor(1, Some(DataType::I64), shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let axis = resolve_axis(self.axis, x.rank())?;
        let size = x.shape()[axis];
        let k = match cx.ints(1)?[..] {
            [k] => usize::try_from(k).ok().filter(|&k| k <= size).ok_or_else(|| {
                OpError::value(format!("K is {k}, expected 0 to {size}, the size of axis {axis}"))
            })?,
            ref other => return Err(OpError::shape(format!("K needs one element, got {}", other.len()))),
        };
        let mut shape = x.shape().to_vec();
        shape[axis] = k;
        let values = x.widen();
        if matches!(values, Wide::S(_) | Wide::C(_)) {
            return Err(OpError::input_type(0, "a real type", x.dtype()));
        }
        let inner = count(&x.shape()[axis + 1..]);
        let outer = if x.is_empty() { 0 } else { count(&x.shape()[..axis]) };
        let mut chosen = vec![0usize; count(&shape)];
        let mut order: Vec<usize> = Vec::with_capacity(size);
        for o in 0..outer {
            for i in 0..inner {
                let at = |index: usize| (o * size + index) * inner + i;
                order.clear();
                order.extend(0..size);
                self.select(&mut order, k, |a, b| compare_elements(&values, at(a), at(b)));
                for (rank, &index) in order.iter().take(k).enumerate() {
                    chosen[(o * k + rank) * inner + i] = index;
                }
            }
        }
        let starts: Vec<usize> = chosen
            .iter()
            .enumerate()
            .map(|(at, &index)| {
                let (block, i) = (at / inner, at % inner);
                ((block / k) * size + index) * inner + i
            })
            .collect();
        let y = move_elements(&[x], &shape, &Blocks { starts: &starts, block: 1 })?;
        cx.set(0, y);
        let indices = chosen.into_iter().map(|i| i64::try_from(i).unwrap_or(i64::MAX)).collect();
        cx.set(1, Tensor::from_vec::<i64>(&shape, indices)?);
        Ok(())
    }

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        along_axis(io, order, self.axis, |axis| Self { axis, ..self.clone() })
    }
}

impl TopK {
    /// Brings the first `k` entries of `order` to the front, in order.
    fn select(&self, order: &mut Vec<usize>, k: usize, compare: impl Fn(usize, usize) -> Ordering) {
        let compare = |a: &usize, b: &usize| {
            let values = if self.largest { compare(*b, *a) } else { compare(*a, *b) };
            values.then(a.cmp(b))
        };
        if k > 0 && k < order.len() {
            order.select_nth_unstable_by(k - 1, compare);
            order.truncate(k);
        }
        order.sort_unstable_by(compare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn largest_and_smallest_first_of_equals() {
        let x = f32s(&[2, 4], &[0.0, 3.0, 1.0, 3.0, f32::NAN, -1.0, 5.0, 2.0]);
        Case::new(TopK { axis: 1, largest: true, sorted: true })
            .input(x.clone())
            .constant(i64s(&[1], &[2]))
            .expect_all(vec![
                f32s(&[2, 2], &[3.0, 3.0, f32::NAN, 5.0]).into(),
                i64s(&[2, 2], &[1, 3, 0, 2]).into(),
            ]);
        Case::new(TopK { axis: 0, largest: false, sorted: false })
            .input(x.clone())
            .input(i64s(&[1], &[1]))
            .expect_all(vec![
                f32s(&[1, 4], &[0.0, -1.0, 1.0, 2.0]).into(),
                i64s(&[1, 4], &[0, 1, 0, 1]).into(),
            ]);
        Case::new(TopK { axis: 1, largest: true, sorted: true })
            .input(x)
            .input(i64s(&[1], &[5]))
            .expect_error("K is 5");
    }
}
