//! `Tile`: <https://onnx.ai/onnx/operators/onnx__Tile.html>

use lehr_graph::dim::SymInt;
use lehr_graph::{
    EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx, ReadValues, Shape, Signature, SymValues,
    declare_op,
};

use crate::axis::resolve_axis;
use crate::movement::{AxisPicks, check_size, pick_as};
use crate::renamed_axes::{constant_ints, ints_like};

declare_op! {
    /// Input 0 repeated along each axis as often as input 1 says.
    pub struct Tile("", "Tile", 13) inputs(2, 2) outputs(1, 1) flags(DATA_MOVEMENT)
    read(Self::read) {}
}

impl Tile {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        if cx.opset() >= 6 {
            return cx.emit_same(Self {});
        }
        // The first form names one axis by number.
        let data = cx.require(0)?;
        let number = |index| {
            let tensor = cx.constant_of(cx.require(index)?);
            tensor.and_then(|t| t.to_f64s().ok()?.first().copied()).ok_or_else(|| {
                OpError::Unsupported("Tile before opset 6 with computed repeats or axis".into())
            })
        };
        let (repeats, axis) = (number(1)? as i64, number(2)? as i64);
        let Some(rank) = cx.ty(data).shape().map(Shape::rank) else {
            return Err(OpError::Unsupported("Tile before opset 6 with unknown rank".into()));
        };
        let mut all = vec![1; rank];
        all[resolve_axis(axis, rank)?] = repeats;
        let all = cx.ints(&all);
        cx.emit(Self {}, vec![Some(data), Some(all)], 1)
    }
}

impl Op for Tile {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let shape = match (cx.shape(0), cx.known(1).filter(|r| r.rank() == 1)) {
            (Some(shape), Some(repeats)) if shape.rank() == repeats.len() => {
                Some(shape.iter().zip(repeats.values()).map(|(d, r)| d.mul(&r.to_dim())).collect())
            }
            (Some(shape), Some(repeats)) => {
                return Err(OpError::shape(format!("{} repeats for rank {}", repeats.len(), shape.rank())));
            }
            (Some(shape), None) => Some(Shape::unknown(shape.rank())),
            (None, _) => cx.known(1).map(|repeats| Shape::unknown(repeats.len())),
        };
        cx.set_tensor(0, dtype, shape);
        cx.set_known(0, tile_known(cx));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let repeats = cx.ints(1)?;
        if repeats.len() != x.rank() {
            return Err(OpError::shape(format!("{} repeats for rank {}", repeats.len(), x.rank())));
        }
        // An axis of its own for the repeats in front of each axis.
        let (mut own, mut picks, mut shape) = (Vec::new(), Vec::new(), Vec::new());
        for (&size, &repeat) in x.shape().iter().zip(&repeats) {
            let times = usize::try_from(repeat)
                .map_err(|_| OpError::value(format!("repeats has {repeat}, expected at least 0")))?;
            own.extend([1, size]);
            picks.extend([AxisPicks::repeated(times), AxisPicks::identity(size)]);
            shape.push(size.checked_mul(times).ok_or_else(|| OpError::value("the output is too large"))?);
        }
        check_size(cx.environment(), x.dtype(), &shape)?;
        let y = pick_as(x, &own, &picks, None)?.reshape(&shape)?;
        cx.set(0, y);
        Ok(())
    }

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        let repeats = ints_like(io, 1, order.apply(&constant_ints(io, 1)?)?)?;
        Some(Permuted::unary(io, None, order).with_constant(1, repeats))
    }
}

fn tile_known(cx: &InferCx<'_>) -> Option<SymValues> {
    let data = cx.known(0).filter(|d| d.rank() == 1)?;
    let times = usize::try_from(cx.known(1)?.sole().and_then(SymInt::as_constant)?).ok()?;
    if data.len().checked_mul(times)? > SymValues::MAX_LEN {
        return None;
    }
    let values = data.values().iter().cycle().take(data.len() * times).cloned();
    SymValues::vector(values.collect()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn repeats_each_axis() {
        let x = f32s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        Case::new(Tile {})
            .input(x.clone())
            .constant(i64s(&[2], &[2, 2]))
            .expect(f32s(&[4, 4], &[1., 2., 1., 2., 3., 4., 3., 4., 1., 2., 1., 2., 3., 4., 3., 4.]));
        Case::new(Tile {}).input(x.clone()).input(i64s(&[2], &[0, 1])).expect(f32s(&[0, 2], &[]));
        Case::new(Tile {}).input(x).input(i64s(&[2], &[1 << 20, 1 << 20])).expect_error("limit");
    }
}
