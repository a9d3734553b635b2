//! What CumSum and CumProd share.

use lehr_graph::{AxisMap, AxisRole, EvalCx, OpError, Shape, Signature};
use lehr_tensor::{Tensor, Wide};

use crate::axis::{resolve_axis, split_at_axis};

/// The attributes of both operators.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Modes {
    /// An element does not count for its own place.
    pub exclusive: bool,
    /// From the end of the axis.
    pub reverse: bool,
}

/// The operation that accumulates and what it starts from.
pub(crate) struct Accumulation {
    pub start: u8,
    pub float: fn(f64, f64) -> f64,
    pub signed: fn(i64, i64) -> i64,
    pub unsigned: fn(u64, u64) -> u64,
}

/// Accumulates input 0 along the axis that input 1 names.
pub(crate) fn eval(cx: &mut EvalCx<'_>, modes: Modes, f: &Accumulation) -> Result<(), OpError> {
    let x = cx.tensor(0)?;
    let axis = match cx.ints(1)?.as_slice() {
        [axis] => resolve_axis(*axis, x.rank())?,
        other => return Err(OpError::shape(format!("input 1: expected one axis, got {}", other.len()))),
    };
    let place = (x.shape(), axis);
    let y = match x.widen() {
        Wide::F(v) => Wide::F(accumulate(v, place, modes, f64::from(f.start), f.float)),
        Wide::I(v) => Wide::I(accumulate(v, place, modes, i64::from(f.start), f.signed)),
        Wide::U(v) => Wide::U(accumulate(v, place, modes, u64::from(f.start), f.unsigned)),
        _ => return Err(OpError::input_type(0, "a numeric type", x.dtype())),
    };
    cx.set(0, Tensor::narrow(x.dtype(), x.shape(), y)?);
    Ok(())
}

fn accumulate<T: Copy>(
    mut values: Vec<T>,
    (shape, axis): (&[usize], usize),
    modes: Modes,
    start: T,
    f: fn(T, T) -> T,
) -> Vec<T> {
    let (outer, n, inner) = split_at_axis(shape, axis);
    for o in 0..outer {
        for i in 0..inner {
            let mut sum = start;
            for k in 0..n {
                let k = if modes.reverse { n - 1 - k } else { k };
                let value = &mut values[(o * n + k) * inner + i];
                let next = f(sum, *value);
                *value = if modes.exclusive { sum } else { next };
                sum = next;
            }
        }
    }
    values
}

/// Every axis but a constant one is independent.
pub(crate) fn axes(io: &Signature<'_>) -> AxisMap {
    let mut map = AxisMap::opaque(io);
    let Some(rank) = io.input_shape(0).map(Shape::rank) else { return map };
    let constant = io.constants.get(1).copied().flatten().and_then(|t| t.to_i64s().ok());
    let Some(Ok(axis)) = constant.and_then(|axes| axes.first().map(|&a| resolve_axis(a, rank))) else {
        return map;
    };
    let role = |a| if a == axis { AxisRole::Mixed } else { AxisRole::Independent(vec![(0, a)]) };
    map.outputs = vec![(0..rank).map(role).collect()];
    map
}
