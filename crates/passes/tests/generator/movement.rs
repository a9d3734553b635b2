//! Moves of elements: transposes, reshapes, slices, gathers, joins and splits, alone, in pairs and around arithmetic.

use lehr_graph::{OpError, ValueId};

use super::draft::{Draft, int, ints, text, unsuited};
use super::{Motif, activations, arithmetic};

type Made = Result<ValueId, OpError>;

pub const MOTIFS: &[Motif] = &[
    transpose,
    transpose,
    transposed_arithmetic,
    transposed_arithmetic,
    transpose_pair,
    reshape,
    reshape,
    reshape_pair,
    singletons,
    slice,
    slice,
    slice_pair,
    gather,
    concat,
    concat,
    split_concat,
    split_some,
    expand,
    tile,
    pad,
    pad_pair,
    channel_shuffle,
    depth_space,
    slices_joined,
    stacked,
    scatter,
    flatten,
];

fn transposed(d: &mut Draft, x: ValueId, perm: &[i64]) -> Made {
    d.op("Transpose", &[x], &[("perm", ints(perm))])
}

fn inverse(perm: &[i64]) -> Vec<i64> {
    let mut back = vec![0; perm.len()];
    perm.iter().enumerate().for_each(|(to, &from)| back[from as usize] = to as i64);
    back
}

fn transpose(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 2..=5)?;
    if d.random.one_in(8) {
        return d.unary("Transpose", x);
    }
    let perm = d.random.permutation(rank);
    transposed(d, x, &perm)
}

/// Transpose, arithmetic, transpose back (or elsewhere).
fn transposed_arithmetic(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 2..=4)?;
    let perm = if rank == 4 && d.random.one_in(2) { vec![0, 2, 3, 1] } else { d.random.permutation(rank) };
    let mut y = transposed(d, x, &perm)?;
    if d.random.one_in(3) {
        let other = transposed(d, x, &perm)?;
        let other = activations::simple(d, other)?;
        y = d.op("Add", &[y, other], &[])?;
    }
    for _ in 0..1 + d.random.below(2) {
        y = match d.random.below(4) {
            0 => activations::simple(d, y)?,
            1 => arithmetic::last_axis_affine(d, y)?,
            2 => {
                let axes = d.indices(&[-1]);
                d.op("ReduceMean", &[y, axes], &[])?
            }
            _ => arithmetic::affine(d, y)?,
        };
    }
    let back = if d.random.one_in(4) { d.random.permutation(rank) } else { inverse(&perm) };
    transposed(d, y, &back)
}

fn transpose_pair(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 2..=5)?;
    let (first, second) = (d.random.permutation(rank), d.random.permutation(rank));
    let y = transposed(d, x, &first)?;
    if d.random.one_in(4) {
        d.push(y);
    }
    let second = if d.random.one_in(2) { inverse(&first) } else { second };
    transposed(d, y, &second)
}

fn reshaped(d: &mut Draft, x: ValueId, target: &[i64]) -> Made {
    let target = d.indices(target);
    d.op("Reshape", &[x, target], &[])
}

/// One of several targets that fit every value.
fn reshape(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 1..=5)?;
    let last = d.size(x, rank - 1)? as i64;
    match d.random.below(5) {
        0 => reshaped(d, x, &[-1]),
        1 if last > 0 => reshaped(d, x, &[-1, last]),
        2 => reshaped(d, x, &[0, -1]),
        3 => {
            let mut target = vec![0; rank];
            target.insert(rank - 1, 1);
            target[rank] = last;
            reshaped(d, x, &target)
        }
        _ => {
            let sizes: Result<Vec<i64>, _> =
                (1..rank).map(|axis| d.size(x, axis).map(|s| s as i64)).collect();
            let mut target = vec![-1];
            target.extend(sizes?);
            if target.contains(&0) {
                return unsuited();
            }
            reshaped(d, x, &target)
        }
    }
}

fn reshape_pair(d: &mut Draft, x: ValueId) -> Made {
    let y = reshape(d, x)?;
    let y = if d.random.one_in(2) { activations::simple(d, y)? } else { y };
    reshape(d, y)
}

fn flatten(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 1..=4)?;
    let axis = d.random.below(rank + 1) as i64;
    d.op("Flatten", &[x], &[("axis", int(axis))])
}

fn singletons(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 1..=4)?;
    let axis = d.random.below(rank + 1) as i64;
    let axes = d.indices(&[axis]);
    let y = d.op("Unsqueeze", &[x, axes], &[])?;
    match d.random.below(3) {
        0 => d.op("Squeeze", &[y, axes], &[]),
        1 => {
            let y = activations::simple(d, y)?;
            d.op("Squeeze", &[y, axes], &[])
        }
        _ => Ok(y),
    }
}

/// A slice along one axis, of whatever sign.
fn slice(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 1..=5)?;
    let axis = d.random.below(rank);
    let size = d.size(x, axis).unwrap_or(3) as i64;
    let (start, end, step) = match d.random.below(6) {
        0 => (0, i64::MAX, 1),
        1 => (1, i64::MAX, 1),
        2 => (-1, i64::MIN, -1),
        3 => (0, size, 2),
        4 => (0, -1, 1),
        _ => {
            let start = d.random.below(size.max(1) as usize) as i64;
            (start, start + 1 + d.random.below(3) as i64, 1)
        }
    };
    let inputs = [x, d.indices(&[start]), d.indices(&[end]), d.indices(&[axis as i64]), d.indices(&[step])];
    let n = if step == 1 { 4 } else { 5 };
    d.op("Slice", &inputs[..n], &[])
}

fn slice_pair(d: &mut Draft, x: ValueId) -> Made {
    let y = slice(d, x)?;
    let y = if d.random.one_in(2) { activations::simple(d, y)? } else { y };
    slice(d, y)
}

fn gather(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 1..=4)?;
    let axis = d.random.below(rank);
    let size = d.size(x, axis)?;
    if size == 0 {
        return unsuited();
    }
    let mut index = || d.random.below(2 * size) as i64 - size as i64;
    let values = [index(), index(), index()];
    let indices = match d.random.below(4) {
        0 => d.index(values[0]),
        1 => {
            let all: Vec<i64> = (0..size as i64).collect();
            d.indices(&all)
        }
        _ => {
            let n = 1 + d.random.below(3);
            d.indices(&values[..n])
        }
    };
    d.op("Gather", &[x, indices], &[("axis", int(axis as i64))])
}

fn concat(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 1..=4)?;
    let y = match d.random.below(3) {
        0 => d.pick_value(),
        1 => activations::simple(d, x)?,
        _ => x,
    };
    let axis = d.random.below(rank) as i64;
    let inputs = if d.random.one_in(3) { vec![x, y, x] } else { vec![x, y] };
    let joined = d.op("Concat", &inputs, &[("axis", int(axis))])?;
    match d.random.below(3) {
        0 => d.op("Concat", &[joined, x], &[("axis", int(axis))]),
        1 => slice(d, joined),
        _ => Ok(joined),
    }
}

fn split(d: &mut Draft, x: ValueId, axis: usize) -> Result<Vec<ValueId>, OpError> {
    let size = d.size(x, axis)?;
    if size < 2 {
        return unsuited();
    }
    let first = 1 + d.random.below(size - 1) as i64;
    let sizes = d.indices(&[first, size as i64 - first]);
    d.op_n("Split", &[Some(x), Some(sizes)], &[("axis", int(axis as i64))], 2)
}

fn split_concat(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 1..=4)?;
    let axis = d.random.below(rank);
    let mut parts = split(d, x, axis)?;
    match d.random.below(4) {
        0 => parts.reverse(),
        1 => parts[1] = activations::simple(d, parts[1])?,
        _ => {}
    }
    d.op("Concat", &parts, &[("axis", int(axis as i64))])
}

fn split_some(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 1..=4)?;
    let axis = d.random.below(rank);
    let parts = split(d, x, axis)?;
    Ok(parts[d.random.below(2)])
}

/// Neighbouring slices put together again.
fn slices_joined(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 1..=4)?;
    let axis = d.random.below(rank);
    if d.size(x, axis)? < 2 {
        return unsuited();
    }
    let axes = d.indices(&[axis as i64]);
    let (zero, one, end) = (d.indices(&[0]), d.indices(&[1]), d.indices(&[i64::MAX]));
    let left = d.op("Slice", &[x, zero, one, axes], &[])?;
    let right = d.op("Slice", &[x, one, end, axes], &[])?;
    let joined = d.op("Concat", &[left, right], &[("axis", int(axis as i64))])?;
    if d.random.one_in(2) { d.op("Add", &[joined, x], &[]) } else { Ok(joined) }
}

/// The elements of an axis taken singly and stacked.
fn stacked(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 2..=4)?;
    let size = d.size(x, rank - 1)?;
    if size == 0 || size > 4 {
        return unsuited();
    }
    let axes = d.indices(&[-1]);
    let mut parts = Vec::new();
    for at in 0..size as i64 {
        let index = d.index(at);
        let part = d.op("Gather", &[x, index], &[("axis", int(-1))])?;
        parts.push(d.op("Unsqueeze", &[part, axes], &[])?);
    }
    d.op("Concat", &parts, &[("axis", int(-1))])
}

fn expand(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 1..=3)?;
    let mut target = vec![1; rank];
    if d.random.one_in(2) {
        target.insert(0, 2);
    }
    let target = d.indices(&target);
    let y = d.op("Expand", &[x, target], &[])?;
    if d.random.one_in(2) { d.op("Add", &[y, x], &[]) } else { Ok(y) }
}

fn tile(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 1..=4)?;
    let mut repeats = vec![1; rank];
    repeats[d.random.below(rank)] = 1 + d.random.below(2) as i64;
    let repeats = d.indices(&repeats);
    d.op("Tile", &[x, repeats], &[])
}

fn pad(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 1..=4)?;
    let pads: Vec<i64> = (0..2 * rank).map(|_| if d.random.one_in(3) { 1 } else { 0 }).collect();
    let pads = d.indices(&pads);
    let value = d.random.pick(&[0.0, 2.0]);
    let value = d.scalar(value);
    match d.random.below(4) {
        0 => d.op("Pad", &[x, pads], &[("mode", text("edge"))]),
        1 => d.op("Pad", &[x, pads], &[]),
        _ => d.op("Pad", &[x, pads, value], &[]),
    }
}

fn pad_pair(d: &mut Draft, x: ValueId) -> Made {
    let y = pad(d, x)?;
    match d.random.below(3) {
        0 => slice(d, y),
        1 => arithmetic::affine(d, y).and_then(|y| pad(d, y)),
        _ => pad(d, y),
    }
}

/// Reshape, transpose, reshape, as shuffled channels and windows are written.
fn channel_shuffle(d: &mut Draft, x: ValueId) -> Made {
    d.require_rank(x, 4..=4)?;
    let (channels, height, width) = (d.size(x, 1)? as i64, d.size(x, 2)? as i64, d.size(x, 3)? as i64);
    if channels % 2 != 0 || channels * height * width == 0 {
        return unsuited();
    }
    let y = reshaped(d, x, &[-1, 2, channels / 2, height, width])?;
    let y = transposed(d, y, &[0, 2, 1, 3, 4])?;
    reshaped(d, y, &[-1, channels, height, width])
}

fn depth_space(d: &mut Draft, x: ValueId) -> Made {
    d.require_rank(x, 4..=4)?;
    let (channels, height, width) = (d.size(x, 1)? as i64, d.size(x, 2)? as i64, d.size(x, 3)? as i64);
    if channels * height * width == 0 {
        return unsuited();
    }
    if channels % 4 == 0 {
        if d.random.one_in(2) {
            return d.op("DepthToSpace", &[x], &[("blocksize", int(2)), ("mode", text("CRD"))]);
        }
        let y = reshaped(d, x, &[-1, 2, 2, channels / 4, height, width])?;
        let y = transposed(d, y, &[0, 3, 4, 1, 5, 2])?;
        return reshaped(d, y, &[-1, channels / 4, height * 2, width * 2]);
    }
    if height % 2 != 0 || width % 2 != 0 {
        return unsuited();
    }
    d.op("SpaceToDepth", &[x], &[("blocksize", int(2))])
}

fn scatter(d: &mut Draft, x: ValueId) -> Made {
    d.require_rank(x, 1..=1)?;
    if d.size(x, 0)? < 2 {
        return unsuited();
    }
    let indices = d.tensor(lehr_tensor::Tensor::from_vec(&[1, 1], vec![1i64])?);
    let updates = d.weight(&[1]);
    d.op("ScatterND", &[x, indices, updates], &[])
}
