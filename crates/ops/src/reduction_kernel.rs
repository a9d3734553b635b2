//! The fast way of sums, means and extremes over neighbouring axes.

use std::ops::Range;
use std::sync::Arc;

use lehr_graph::{OpError, Signature};
use lehr_kernels::Isa;
use lehr_kernels::reduce::{Reduction, reduce};
use lehr_tensor::{DataType, Tensor, checked_len};

use crate::axis::resolve_axes;
use crate::cpu::{CpuOp, Kernel, Packed, Recipe, RunCx};
use crate::reduce_max::ReduceMax;
use crate::reduce_mean::ReduceMean;
use crate::reduce_min::ReduceMin;
use crate::reduce_sum::ReduceSum;

/// A recipe when input 0 holds `f32` and the axes are known and lie beside each other.
fn choose(io: &Signature<'_>, noop_with_empty_axes: bool) -> Option<Recipe> {
    let ty = io.inputs.first().copied().flatten()?;
    let rank = ty.shape().filter(|_| ty.dtype() == Some(DataType::F32))?.rank();
    let given = match io.inputs.get(1).copied().flatten() {
        Some(_) => io.constants.get(1).copied().flatten()?.to_i64s().ok()?,
        None => Vec::new(),
    };
    let mut axes = resolve_axes(&given, rank).ok()?;
    if axes.is_empty() {
        if noop_with_empty_axes {
            return None;
        }
        axes = (0..rank).collect();
    }
    axes.sort_unstable();
    let (first, last) = (axes.first().copied()?, axes.last().copied()?);
    (last - first + 1 == axes.len()).then(|| {
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        Recipe::new("neighbouring axes").with("first", number(first)).with("behind", number(last + 1))
    })
}

struct ReductionKernel {
    reduction: Reduction,
    keepdims: bool,
    axes: Range<usize>,
}

impl ReductionKernel {
    /// The kernel for a recipe of [`choose`].
    fn new(recipe: &Recipe, reduction: Reduction, keepdims: bool) -> Result<Self, OpError> {
        let place = |name| usize::try_from(recipe.get(name)).ok();
        match (place("first"), place("behind")) {
            (Some(first), Some(behind)) if first < behind => {
                Ok(Self { reduction, keepdims, axes: first..behind })
            }
            _ => Err(OpError::value("the recipe names no axes to reduce")),
        }
    }
}

impl Kernel for ReductionKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let mut shape = x.shape().to_vec();
        let Some(reduced) = shape.get(self.axes.clone()) else {
            return Err(OpError::shape(format!("axes {:?} are out of range for shape {shape:?}", self.axes)));
        };
        let sizes = [
            checked_len(&shape[..self.axes.start])?,
            checked_len(reduced)?,
            checked_len(&shape[self.axes.end..])?,
        ];
        let kept = if self.keepdims { self.axes.len() } else { 0 };
        shape.splice(self.axes.clone(), std::iter::repeat_n(1, kept));
        let x = x.as_slice::<f32>()?;
        let mut y = cx.buffers.take(checked_len(&shape)?);
        reduce(cx.team, cx.isa, self.reduction, sizes, &x, &mut y);
        cx.set(0, Tensor::from_vec(&shape, y)?);
        Ok(())
    }
}

macro_rules! reduction_cpu_op {
    ($($op:ident, $reduction:expr);*) => {$(
        impl CpuOp for $op {
            fn choose(&self, io: &Signature<'_>, _isa: Isa) -> Option<Recipe> {
                choose(io, self.noop_with_empty_axes)
            }

            fn pack(&self, _recipe: &Recipe, _constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
                Ok(Packed::default())
            }

            fn bind(&self, recipe: &Recipe, _packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
                Ok(Box::new(ReductionKernel::new(recipe, $reduction, self.keepdims)?))
            }
        }
    )*};
}
reduction_cpu_op!(
    ReduceMax, Reduction::Max;
    ReduceMean, Reduction::Mean;
    ReduceMin, Reduction::Min;
    ReduceSum, Reduction::Sum
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};
    use lehr_graph::Op;

    fn check(op: impl Op + Clone, x: &Tensor, axes: Option<&[i64]>) {
        let case = Case::new(op).tolerance(1e-5, 1e-5).input(x.clone());
        axes.iter().fold(case, |case, axes| case.constant(i64s(&[axes.len()], axes))).agree();
    }

    #[test]
    fn every_place_of_the_axes() {
        for shape in [&[2, 3, 4][..], &[3, 40, 300], &[1, 1, 5000], &[2, 0, 3], &[7, 3000, 1]] {
            let len: usize = shape.iter().product();
            let x = f32s(shape, &(0..len).map(|i| ((i * 7) % 23) as f32 / 4.0 - 2.0).collect::<Vec<_>>());
            for axes in [&[0][..], &[1], &[-1], &[0, 1], &[2, 1], &[0, 1, 2]] {
                for keepdims in [false, true] {
                    check(ReduceMax { keepdims, noop_with_empty_axes: false }, &x, Some(axes));
                    check(ReduceMean { keepdims, noop_with_empty_axes: false }, &x, Some(axes));
                    check(ReduceMin { keepdims, noop_with_empty_axes: false }, &x, Some(axes));
                    check(ReduceSum { keepdims, noop_with_empty_axes: false }, &x, Some(axes));
                }
            }
            check(ReduceSum { keepdims: false, noop_with_empty_axes: false }, &x, None);
        }
    }
}
