//! How large a picture may become, and how its size is followed.

use crate::{Context, Geometry, Image, StepError};

/// The most pixels that a step makes. It keeps a tiny file with an extreme shape from taking all memory.
pub const MAX_PIXELS: usize = 1 << 27;

/// The area in pixels, when it is neither empty nor larger than [`MAX_PIXELS`].
///
/// # Errors
/// [`StepError::TooLarge`] and [`StepError::Malformed`].
pub fn checked_area(width: usize, height: usize) -> Result<usize, StepError> {
    if width == 0 || height == 0 {
        return Err(StepError::malformed(format!(
            "a picture of {width}×{height} pixels would be empty; expected at least one pixel"
        )));
    }
    match width.checked_mul(height) {
        Some(area) if area <= MAX_PIXELS => Ok(area),
        area => Err(StepError::TooLarge {
            what: "pixels of the picture that the step makes",
            limit: MAX_PIXELS as u64,
            got: area.map_or(u64::MAX, |area| area as u64),
        }),
    }
}

/// Checks the parameter `size = [height, width]` of a step.
///
/// # Errors
/// [`StepError::Parameter`] when a side is 0, [`StepError::TooLarge`].
pub fn check_parameter([height, width]: [usize; 2]) -> Result<(), StepError> {
    if width == 0 || height == 0 {
        return Err(StepError::parameter("size", "at least 1 pixel each", format!("[{height}, {width}]")));
    }
    checked_area(width, height).map(|_| ())
}

/// How `image` lies in the user's picture: what the steps before said, or that it is the user's picture itself.
pub fn geometry<'a>(context: &'a mut Context, image: &Image) -> &'a mut Geometry {
    context.geometry.get_or_insert_with(|| Geometry::identity(image.width(), image.height()))
}
