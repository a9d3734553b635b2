//! What the sequence operators share: item types and positions.

use lehr_graph::{EvalCx, InferCx, OpError, ValueType};

/// The item type of sequence input `index`; unknown while the input is.
pub(crate) fn item_type(cx: &InferCx<'_>, index: usize) -> Result<ValueType, OpError> {
    match cx.require(index)? {
        ValueType::Sequence(item) => Ok((**item).clone()),
        ValueType::Unknown => Ok(ValueType::Unknown),
        other => Err(OpError::InputKind { index, expected: "a sequence", got: other.to_string() }),
    }
}

/// The position in input `index`, if present, counted from the front, below `limit`; `len` is what negative ones
/// count from.
pub(crate) fn position(
    cx: &EvalCx<'_>,
    index: usize,
    len: usize,
    limit: usize,
) -> Result<Option<usize>, OpError> {
    let Some(numbers) = cx.optional_ints(index)? else { return Ok(None) };
    let [number] = numbers[..] else {
        return Err(OpError::shape(format!("the position needs one element, got {}", numbers.len())));
    };
    let signed = i64::try_from(len).unwrap_or(i64::MAX);
    let at = if number < 0 { number.checked_add(signed) } else { Some(number) };
    match at.and_then(|at| usize::try_from(at).ok()) {
        Some(at) if at < limit => Ok(Some(at)),
        _ => Err(OpError::value(format!("position {number} is out of range for a sequence of {len}"))),
    }
}
