//! Axes given as possibly negative numbers.

use lehr_graph::OpError;

/// `axis` counted from the front; a negative one counts from the end.
pub(crate) fn resolve_axis(axis: i64, rank: usize) -> Result<usize, OpError> {
    let signed = i64::try_from(rank).unwrap_or(i64::MAX);
    let resolved = if axis < 0 { axis.checked_add(signed) } else { Some(axis) };
    match resolved.and_then(|a| usize::try_from(a).ok()) {
        Some(a) if a < rank => Ok(a),
        _ => Err(OpError::value(format!("axis {axis} is out of range for rank {rank}"))),
    }
}

/// All of `axes`, counted from the front, which must differ from each other.
pub(crate) fn resolve_axes(axes: &[i64], rank: usize) -> Result<Vec<usize>, OpError> {
    let mut resolved = Vec::with_capacity(axes.len());
    for &axis in axes {
        let axis = resolve_axis(axis, rank)?;
        if resolved.contains(&axis) {
            return Err(OpError::value(format!("axis {axis} is named twice")));
        }
        resolved.push(axis);
    }
    Ok(resolved)
}

/// Elements before, along and behind an axis.
pub(crate) fn split_at_axis(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}
