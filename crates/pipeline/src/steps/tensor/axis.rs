//! Axes of tensors by numbers, counted from the end where they are negative.

use crate::{ItemType, StepError, TensorType};

/// What is known of a tensor that has that axis, and the axis as a position where the rank is known.
///
/// # Errors
/// [`StepError::Kind`] when the input is no tensor with that axis.
pub fn infer_axis(input: &ItemType, axis: i64) -> Result<(&TensorType, Option<usize>), StepError> {
    let tensor = input.tensor()?;
    let Some(shape) = &tensor.shape else { return Ok((tensor, None)) };
    let position = resolve_axis(axis, shape.len()).ok_or_else(|| lacks_axis(axis, input))?;
    Ok((tensor, Some(position)))
}

/// The position of an axis, counted from the end where it is negative; `None` when there is none.
pub fn resolve_axis(axis: i64, rank: usize) -> Option<usize> {
    let rank_signed = i64::try_from(rank).ok()?;
    let position = if axis < 0 { axis.checked_add(rank_signed)? } else { axis };
    usize::try_from(position).ok().filter(|position| *position < rank)
}

/// What is said when it is not there.
pub fn lacks_axis(axis: i64, got: &ItemType) -> StepError {
    StepError::kind(format!("a tensor with an axis {axis}"), got)
}
