//! `Unique`: <https://onnx.ai/onnx/operators/onnx__Unique.html>

use std::cmp::Ordering;

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, declare_op};
use lehr_tensor::{DataType, Tensor};

use crate::axis::resolve_axis;
use crate::movement::{AxisPicks, count, pick_as};
use crate::order::compare_elements;

declare_op! {
    /// The different elements (or slices along `axis`), where each occurs first, which one each input element is, and
    /// how often each occurs.
    pub struct Unique("", "Unique", 28) inputs(1, 1) outputs(1, 4) flags() {
        /// Axis of the slices; may be negative. Without it the input counts as flat.
        axis: Option<i64> = None,
        /// Ascending instead of in the order of first occurrence.
        sorted: bool = true,
    }
}

impl Op for Unique {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let (shape, total) = match (cx.shape(0), self.axis) {
            (Some(shape), Some(axis)) => {
                let axis = resolve_axis(axis, shape.rank())?;
                let mut unique: Shape = shape.clone();
                let total = std::mem::replace(&mut unique.dims_mut()[axis], Dim::Unknown);
                (Some(unique), total)
            }
            (Some(shape), None) => (Some(Shape::unknown(1)), shape.numel()),
            (None, None) => (Some(Shape::unknown(1)), Dim::Unknown),
            (None, Some(_)) => (None, Dim::Unknown),
        };
        cx.set_tensor(0, dtype, shape);
        cx.set_tensor(1, Some(DataType::I64), Some(Shape::unknown(1)));
        cx.set_tensor(2, Some(DataType::I64), Some(Shape::from([total])));
        cx.set_tensor(3, Some(DataType::I64), Some(Shape::unknown(1)));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let flat = [x.len()];
        let (shape, axis) = match self.axis {
            Some(axis) => (x.shape(), resolve_axis(axis, x.rank())?),
            None => (&flat[..], 0),
        };
        let groups = Groups::of(x, shape, axis, self.sorted);
        let mut picks: Vec<_> = shape.iter().map(|&size| AxisPicks::identity(size)).collect();
        picks[axis] = AxisPicks::default();
        groups.first.iter().for_each(|&index| picks[axis].push(index));
        let y = pick_as(x, shape, &picks, None)?;
        cx.set(0, y);
        let numbers = |v: Vec<usize>| -> Tensor {
            Tensor::vector(v.into_iter().map(|i| i64::try_from(i).unwrap_or(i64::MAX)).collect::<Vec<_>>())
        };
        cx.set(1, numbers(groups.first));
        cx.set(2, numbers(groups.inverse));
        cx.set(3, numbers(groups.counts));
        Ok(())
    }
}

/// Equal slices brought together.
struct Groups {
    first: Vec<usize>,
    inverse: Vec<usize>,
    counts: Vec<usize>,
}

impl Groups {
    fn of(x: &Tensor, shape: &[usize], axis: usize, sorted: bool) -> Self {
        let values = x.widen();
        let size = shape[axis];
        let inner = count(&shape[axis + 1..]);
        let outer = if x.is_empty() { 0 } else { count(&shape[..axis]) };
        let compare = |a: usize, b: usize| {
            let places = (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i)));
            places
                .map(|(o, i)| {
                    compare_elements(&values, (o * size + a) * inner + i, (o * size + b) * inner + i)
                })
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        };
        let mut order: Vec<usize> = (0..size).collect();
        order.sort_by(|&a, &b| compare(a, b));
        // The sort is stable: the first member of a group is its first occurrence.
        let mut members: Vec<Vec<usize>> = Vec::new();
        for index in order {
            match members.last_mut() {
                Some(group) if compare(group[0], index).is_eq() => group.push(index),
                _ => members.push(vec![index]),
            }
        }
        if !sorted {
            members.sort_by_key(|group| group[0]);
        }
        let mut inverse = vec![0; size];
        for (number, group) in members.iter().enumerate() {
            group.iter().for_each(|&index| inverse[index] = number);
        }
        Self {
            first: members.iter().map(|group| group[0]).collect(),
            counts: members.iter().map(Vec::len).collect(),
            inverse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, i64s};

    #[test]
    fn the_examples_of_the_specification() {
        let vector = |v: &[i64]| i64s(&[v.len()], v).into();
        Case::new(Unique { axis: None, sorted: false }).input(i64s(&[6], &[2, 1, 1, 3, 4, 3])).expect_all(
            vec![
                vector(&[2, 1, 3, 4]),
                vector(&[0, 1, 3, 4]),
                vector(&[0, 1, 1, 2, 3, 2]),
                vector(&[1, 2, 2, 1]),
            ],
        );
        Case::new(Unique { axis: Some(1), sorted: true })
            .input(i64s(&[2, 4, 2], &[1, 1, 0, 1, 2, 1, 0, 1, 1, 1, 0, 1, 2, 1, 0, 1]))
            .expect_all(vec![
                i64s(&[2, 3, 2], &[0, 1, 1, 1, 2, 1, 0, 1, 1, 1, 2, 1]).into(),
                vector(&[1, 0, 2]),
                vector(&[1, 0, 2, 0]),
                vector(&[2, 1, 1]),
            ]);
    }
}
