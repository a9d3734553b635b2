//! Axes that operators name, by attribute or by constant input, when their values come in another order of axes.

use lehr_graph::{Dim, Op, OpRef, Permutation, Permuted, Signature};
use lehr_tensor::{Tensor, Wide};

use crate::axis::{resolve_axes, resolve_axis};

/// Where `axis` is in `order`.
pub(crate) fn renamed_axis(axis: i64, order: &Permutation) -> Option<i64> {
    let axis = resolve_axis(axis, order.rank()).ok()?;
    i64::try_from(order.position(axis)?).ok()
}

/// Where each of `axes` is in `order`.
pub(crate) fn renamed_axes(axes: &[i64], order: &Permutation) -> Option<Vec<i64>> {
    axes.iter().map(|&axis| renamed_axis(axis, order)).collect()
}

/// An operator of one value, with an axis as its attribute; `op` makes it with another axis.
pub(crate) fn along_axis<O: Op>(
    io: &Signature<'_>,
    order: &Permutation,
    axis: i64,
    op: impl FnOnce(i64) -> O,
) -> Option<Permuted> {
    let op: OpRef = std::sync::Arc::new(op(renamed_axis(axis, order)?));
    Some(Permuted::unary(io, Some(op), order))
}

/// A quantised value whose scale, input 1, is one number or has one for each index of `axis`; blocks are bound to their axis.
pub(crate) fn along_scale_axis<O: Op>(
    io: &Signature<'_>,
    order: &Permutation,
    (axis, block_size): (i64, i64),
    op: impl FnOnce(i64) -> O,
) -> Option<Permuted> {
    let scale = io.input_shape(1)?;
    if scale.numel().as_fixed() == Some(1) && block_size == 0 {
        return Some(Permuted::unary(io, None, order));
    }
    if scale.rank() != 1 {
        return None;
    }
    along_axis(io, order, axis, op)
}

/// Integers of a constant input.
pub(crate) fn constant_ints(io: &Signature<'_>, index: usize) -> Option<Vec<i64>> {
    io.constants.get(index).copied().flatten()?.to_i64s().ok()
}

/// A constant of integers with the type and the shape of constant input `index`.
pub(crate) fn ints_like(io: &Signature<'_>, index: usize, values: Vec<i64>) -> Option<Tensor> {
    let old = io.constants.get(index).copied().flatten()?;
    Tensor::narrow(old.dtype(), old.shape(), Wide::I(values)).ok()
}

/// Whether input `index` is there.
pub(crate) fn has_input(io: &Signature<'_>, index: usize) -> bool {
    io.inputs.get(index).copied().flatten().is_some()
}

/// Whether those of `axes` of input 0 that are longer than 1 keep their order, on which a sum depends.
pub(crate) fn keeps_order(io: &Signature<'_>, order: &Permutation, axes: &[usize]) -> bool {
    let is_long = |axis: usize| io.input_shape(0).and_then(|s| s.get(axis)) != Some(&Dim::Fixed(1));
    order.keeps_order_of(|axis| axes.contains(&axis) && is_long(axis))
}

/// An operator of one value that names axes by constant input `index`.
pub(crate) fn along_input_axes(io: &Signature<'_>, order: &Permutation, index: usize) -> Option<Permuted> {
    let axes = constant_ints(io, index)?;
    resolve_axes(&axes, order.rank()).ok()?;
    let renamed = ints_like(io, index, renamed_axes(&axes, order)?)?;
    Some(Permuted::unary(io, None, order).with_constant(index, renamed))
}

/// A reduction over `axes` of a value in another order.
pub(crate) fn reduced(
    io: &Signature<'_>,
    op: Option<OpRef>,
    order: &Permutation,
    axes: &[usize],
    keepdims: bool,
) -> Permuted {
    let mut permuted = Permuted::unary(io, op, order);
    if !keepdims {
        permuted.outputs.iter_mut().for_each(|output| *output = order.without(axes));
    }
    permuted
}
