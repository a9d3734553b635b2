//! Computed shapes, as exporters write them.

use lehr_graph::{OpError, ValueId};
use lehr_tensor::DataType;

use super::Motif;
use super::draft::{Draft, int, ints, unsuited};

type Made = Result<ValueId, OpError>;

pub const MOTIFS: &[Motif] = &[
    flattened,
    flattened,
    expanded_constant,
    sliced_shape,
    filled,
    expand_by_selection,
    positions,
    through_size,
    halved,
    cut_at,
];

fn size_of(d: &mut Draft, x: ValueId, axis: i64) -> Made {
    if d.random.one_in(3) {
        let end = axis + 1;
        let size = d.op("Shape", &[x], &[("start", int(axis)), ("end", int(end))])?;
        let axes = d.indices(&[0]);
        return d.op("Squeeze", &[size, axes], &[]);
    }
    let shape = d.unary("Shape", x)?;
    let index = d.index(axis);
    d.op("Gather", &[shape, index], &[("axis", int(0))])
}

fn as_vector(d: &mut Draft, x: ValueId) -> Made {
    let axes = d.indices(&[0]);
    d.op("Unsqueeze", &[x, axes], &[])
}

/// `x.reshape(x.shape[0], -1)`.
fn flattened(d: &mut Draft, x: ValueId) -> Made {
    d.require_rank(x, 2..=4)?;
    let batch = size_of(d, x, 0)?;
    let batch = if d.random.one_in(3) {
        let one = d.index(1);
        d.op("Mul", &[batch, one], &[])?
    } else {
        batch
    };
    let (batch, rest) = (as_vector(d, batch)?, d.indices(&[-1]));
    let target = d.op("Concat", &[batch, rest], &[("axis", int(0))])?;
    d.op("Reshape", &[x, target], &[])
}

fn expanded_constant(d: &mut Draft, x: ValueId) -> Made {
    let shape = d.unary("Shape", x)?;
    let constant = d.number(0.5);
    let wide = d.op("Expand", &[constant, shape], &[])?;
    d.op("Mul", &[x, wide], &[])
}

/// The first and last sizes taken apart and put together again.
fn sliced_shape(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 2..=4)? as i64;
    let shape = d.unary("Shape", x)?;
    let (zero, cut, end) = (d.indices(&[0]), d.indices(&[rank - 1]), d.indices(&[i64::MAX]));
    let head = d.op("Slice", &[shape, zero, cut], &[])?;
    let tail = d.op("Slice", &[shape, cut, end], &[])?;
    let one = d.indices(&[1]);
    let target = d.op("Concat", &[head, one, tail], &[("axis", int(0))])?;
    d.op("Reshape", &[x, target], &[])
}

fn filled(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let shape = d.unary("Shape", x)?;
    let zeros = d.op("ConstantOfShape", &[shape], &[])?;
    let zeros = d.op("Cast", &[zeros], &[("to", int(i64::from(d.dtype.to_onnx())))])?;
    d.op("Add", &[x, zeros], &[])
}

/// `where(shape == -1, 1, shape)` before Expand.
fn expand_by_selection(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 1..=4)?;
    let target = vec![-1; rank];
    let (target, minus) = (d.indices(&target), d.index(-1));
    let ones = d.indices(&vec![1; rank]);
    let same = d.op("Equal", &[target, minus], &[])?;
    let target = d.op("Where", &[same, ones, target], &[])?;
    d.op("Expand", &[x, target], &[])
}

/// Adds the numbers of the last axis' elements.
fn positions(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 2..=4)? as i64;
    let size = size_of(d, x, rank - 1)?;
    let (zero, one) = (d.index(0), d.index(1));
    let range = d.op("Range", &[zero, size, one], &[])?;
    let range = d.op("Cast", &[range], &[("to", int(i64::from(d.dtype.to_onnx())))])?;
    let factor = d.scalar(if d.is_float() { 0.125 } else { 1.0 });
    let range = d.op("Mul", &[range, factor], &[])?;
    d.op("Add", &[x, range], &[])
}

/// A mean as the sum over the computed number of elements.
fn through_size(d: &mut Draft, x: ValueId) -> Made {
    if d.dtype != DataType::F32 || d.shape(x).iter().any(|dim| dim.as_fixed() == Some(0)) {
        return unsuited();
    }
    let size = d.unary("Size", x)?;
    let size = d.op("Cast", &[size], &[("to", int(i64::from(d.dtype.to_onnx())))])?;
    let sum = d.op("ReduceSum", &[x], &[])?;
    d.op("Div", &[sum, size], &[])
}

/// Half of an axis by a computed bound.
fn halved(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 1..=4)? as i64;
    let size = size_of(d, x, rank - 1)?;
    let two = d.index(2);
    let half = d.op("Div", &[size, two], &[])?;
    let half = as_vector(d, half)?;
    let (zero, axes) = (d.indices(&[0]), d.indices(&[-1]));
    let bounds = if d.random.one_in(2) { [zero, half] } else { [half, as_vector(d, size)?] };
    d.op("Slice", &[x, bounds[0], bounds[1], axes], &[])
}

/// Two computed sizes joined to the target of a reshape behind a transpose.
fn cut_at(d: &mut Draft, x: ValueId) -> Made {
    d.require_rank(x, 3..=3)?;
    let y = d.op("Transpose", &[x], &[("perm", ints(&[0, 2, 1]))])?;
    let (batch, last) = (size_of(d, y, 0)?, size_of(d, y, 1)?);
    let product = d.op("Mul", &[batch, last], &[])?;
    let (rows, rest) = (as_vector(d, product)?, d.indices(&[-1]));
    if d.shape(x).iter().any(|dim| dim.as_fixed() == Some(0)) {
        return unsuited();
    }
    let target = d.op("Concat", &[rows, rest], &[("axis", int(0))])?;
    d.op("Reshape", &[y, target], &[])
}
