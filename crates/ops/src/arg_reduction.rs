//! What ArgMax and ArgMin share.

use std::cmp::Ordering;

use lehr_graph::{
    AxisMap, AxisRole, Dim, EvalCx, InferCx, Op, OpError, Permutation, Permuted, Shape, Signature,
};
use lehr_tensor::{DataType, Tensor, Wide};

use crate::axis::{resolve_axis, split_at_axis};
use crate::renamed_axes::{reduced, renamed_axis};

/// The attributes of both operators.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Modes {
    /// Axis; may be negative.
    pub axis: i64,
    /// The axis stays with size 1.
    pub keepdims: bool,
    /// Among equals the last one wins, instead of the first.
    pub last: bool,
}

impl Modes {
    fn reduced<T: Clone>(self, dims: &[T], one: T) -> Result<Vec<T>, OpError> {
        let axis = resolve_axis(self.axis, dims.len())?;
        let mut dims = dims.to_vec();
        if self.keepdims {
            dims.splice(axis..=axis, [one]);
        } else {
            dims.remove(axis);
        }
        Ok(dims)
    }
}

pub(crate) fn infer(cx: &mut InferCx<'_>, modes: Modes) -> Result<(), OpError> {
    cx.dtype(0)?;
    let dims = cx.shape(0).map(|shape| modes.reduced(shape.dims(), Dim::Fixed(1))).transpose()?;
    cx.set_tensor(0, Some(DataType::I64), dims.map(|dims| dims.into_iter().collect::<Shape>()));
    Ok(())
}

/// Positions of the elements for which `wins` says of the order to the best so far that they are better. A NaN beats every
/// number, as in numpy.
pub(crate) fn eval(cx: &mut EvalCx<'_>, modes: Modes, wins: Ordering) -> Result<(), OpError> {
    let x = cx.tensor(0)?;
    let shape = modes.reduced(x.shape(), 1)?;
    let axis = resolve_axis(modes.axis, x.rank())?;
    let y = match x.widen() {
        Wide::F(v) => {
            positions(x.shape(), axis, &v, |a, b| better(order_floats(*a, *b, wins), wins, modes.last))
        }
        Wide::I(v) => positions(x.shape(), axis, &v, |a, b| better(a.cmp(b), wins, modes.last)),
        Wide::U(v) => positions(x.shape(), axis, &v, |a, b| better(a.cmp(b), wins, modes.last)),
        _ => return Err(OpError::input_type(0, "a numeric type", x.dtype())),
    }?;
    cx.set(0, Tensor::from_vec(&shape, y)?);
    Ok(())
}

fn better(order: Ordering, wins: Ordering, last: bool) -> bool {
    order == wins || (last && order == Ordering::Equal)
}

fn order_floats(a: f64, b: f64, wins: Ordering) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => wins,
        (false, true) => wins.reverse(),
        (false, false) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
    }
}

fn positions<T>(
    shape: &[usize],
    axis: usize,
    values: &[T],
    better: impl Fn(&T, &T) -> bool,
) -> Result<Vec<i64>, OpError> {
    let (outer, n, inner) = split_at_axis(shape, axis);
    if n == 0 && outer * inner > 0 {
        return Err(OpError::shape(format!("axis {axis} has size 0, expected at least 1")));
    }
    let mut out = Vec::with_capacity(outer * inner);
    for o in 0..outer {
        for i in 0..inner {
            let at = |k: usize| &values[(o * n + k) * inner + i];
            let best = (1..n).fold(0, |best, k| if better(at(k), at(best)) { k } else { best });
            out.push(i64::try_from(best).unwrap_or(i64::MAX));
        }
    }
    Ok(out)
}

/// Every axis but the searched one is independent.
pub(crate) fn axes(io: &Signature<'_>, modes: Modes) -> AxisMap {
    let mut map = AxisMap::opaque(io);
    let Some(rank) = io.input_shape(0).map(Shape::rank) else { return map };
    let Ok(axis) = resolve_axis(modes.axis, rank) else { return map };
    let role = |a| if a == axis { AxisRole::Mixed } else { AxisRole::Independent(vec![(0, a)]) };
    map.outputs = vec![(0..rank).filter(|&a| modes.keepdims || a != axis).map(role).collect()];
    map.reduced = vec![(0, axis)];
    map
}

/// The search in a value whose axes come in another order; `op` makes it with another axis.
pub(crate) fn permuted<O: Op>(
    io: &Signature<'_>,
    order: &Permutation,
    modes: Modes,
    op: impl FnOnce(i64) -> O,
) -> Option<Permuted> {
    let axis = resolve_axis(modes.axis, order.rank()).ok()?;
    let op = std::sync::Arc::new(op(renamed_axis(modes.axis, order)?));
    Some(reduced(io, Some(op), order, &[axis], modes.keepdims))
}
