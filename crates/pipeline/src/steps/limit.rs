//! Limits on sizes, checked before memory is taken.

use crate::StepError;

/// The most numbers that a step may make, 1 GiB of `f32`.
pub const MAX_NUMBERS: u64 = 1 << 28;

/// The product of sizes, which is about to be allocated.
///
/// # Errors
/// [`StepError::TooLarge`] above [`MAX_NUMBERS`].
pub fn allowed(what: &'static str, sizes: &[usize]) -> Result<usize, StepError> {
    let product =
        sizes.iter().try_fold(1u64, |product, &size| product.checked_mul(u64::try_from(size).ok()?));
    match product.and_then(|got| Some((got, usize::try_from(got).ok()?))) {
        Some((got, product)) if got <= MAX_NUMBERS => Ok(product),
        other => {
            Err(StepError::TooLarge { what, limit: MAX_NUMBERS, got: other.map_or(u64::MAX, |(got, _)| got) })
        }
    }
}
