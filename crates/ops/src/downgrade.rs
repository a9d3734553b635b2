//! Attributes that older opsets do not have.

use lehr_graph::{OpError, WriteCx};

/// Removes attribute `name`, which opset `since` introduced, when an older one is written. Its meaning must then be
/// what the older form does (`neutral`).
///
/// # Errors
/// [`OpError::Unsupported`] when it is not.
pub(crate) fn drop_attribute(
    cx: &mut WriteCx<'_>,
    name: &str,
    since: i64,
    neutral: bool,
) -> Result<(), OpError> {
    if cx.opset() >= since {
        return Ok(());
    }
    match cx.attributes_mut().remove(name) {
        Some(value) if !neutral => Err(OpError::Unsupported(format!(
            "opset {} has no attribute '{name}' (here {value}), expected opset {since} or newer",
            cx.opset()
        ))),
        _ => Ok(()),
    }
}
