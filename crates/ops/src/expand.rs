//! `Expand`: <https://onnx.ai/onnx/operators/onnx__Expand.html>

use lehr_graph::dim::SymInt;
use lehr_graph::{
    EvalCx, InferCx, Op, OpError, Permutation, Permuted, Shape, Signature, SymValues, declare_op,
};
use lehr_tensor::{Tensor, broadcast_shapes};

use crate::movement::{AxisPicks, check_size, pick_as};
use crate::renamed_axes::constant_ints;

declare_op! {
    /// Input 0 repeated to the broadcast of its shape with the shape in input 1.
    pub struct Expand("", "Expand", 13) inputs(2, 2) outputs(1, 1) flags(DATA_MOVEMENT) {}
}

impl Op for Expand {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let target = cx.known(1).and_then(|v| v.to_shape());
        let shape = match (cx.shape(0), target) {
            (Some(shape), Some(target)) => {
                Some(Shape::broadcast(&[shape, &target]).map_err(|e| OpError::shape(e.to_string()))?)
            }
            (Some(shape), None) => {
                let rank = cx.shape(1).and_then(|s| s.get(0)?.as_fixed()).filter(|&r| r <= 64);
                rank.map(|rank| Shape::unknown(rank.max(shape.rank())))
            }
            (None, _) => None,
        };
        let sizes = shape.as_ref().and_then(Shape::as_fixed);
        cx.set_tensor(0, dtype, shape);
        if let (Some(data), Some(sizes)) = (cx.known(0), sizes) {
            let filled = SymValues::filled(&sizes, &SymInt::Unknown);
            cx.set_known(0, filled.and_then(|other| data.zip_with(&other, |a, _| a.clone())).ok());
        }
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let target = cx
            .ints(1)?
            .into_iter()
            .map(|size| {
                usize::try_from(size)
                    .map_err(|_| OpError::value(format!("the shape has {size}, expected a size")))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let shape = broadcast_shapes(&[x.shape(), &target])?;
        check_size(cx.environment(), x.dtype(), &shape)?;
        let y = broadcast_to(x, &shape)?;
        cx.set(0, y);
        Ok(())
    }

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        let mut target = constant_ints(io, 1)?;
        let missing = order.rank().checked_sub(target.len())?;
        target.splice(0..0, std::iter::repeat_n(1, missing));
        let permuted = Permuted::elementwise(io, order)?;
        let inputs = permuted.inputs.into_iter().take(1).collect();
        let target = Tensor::vector(order.apply(&target)?);
        Some(Permuted { inputs, ..permuted }.with_constant(1, target))
    }
}

/// `x` repeated to `shape`, which it must broadcast to.
pub(crate) fn broadcast_to(x: &Tensor, shape: &[usize]) -> Result<Tensor, OpError> {
    if x.shape() == shape {
        return Ok(x.clone());
    }
    let missing = shape.len().saturating_sub(x.rank());
    let own: Vec<usize> = std::iter::repeat_n(1, missing).chain(x.shape().iter().copied()).collect();
    let picks: Vec<_> = own
        .iter()
        .zip(shape)
        .map(
            |(&size, &want)| if size == want { AxisPicks::identity(size) } else { AxisPicks::repeated(want) },
        )
        .collect();
    pick_as(x, &own, &picks, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn broadcasts_both_ways() {
        let x = f32s(&[2, 1], &[1.0, 2.0]);
        Case::new(Expand {})
            .input(x.clone())
            .constant(i64s(&[3], &[2, 1, 2]))
            .expect(f32s(&[2, 2, 2], &[1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0]));
        Case::new(Expand {}).input(x.clone()).input(i64s(&[1], &[1])).expect(x.clone());
        Case::new(Expand {}).input(x.clone()).constant(i64s(&[1], &[0])).expect(f32s(&[2, 0], &[]));
        Case::new(Expand {}).input(x).input(i64s(&[1], &[1 << 60])).expect_error("limit");
    }
}
