//! `crop`: a part of a picture.

use serde::{Deserialize, Serialize};

use super::window::{Fill, Window, cut};
use crate::{Context, Files, ImageType, Item, ItemType, Spec, Step, StepError};

/// `{ op = "crop", x = 10, y = 20, width = 64, height = 64 }`, or `{ op = "crop", ratio = 0.875 }` for the middle of
/// the picture with that part of each side.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    width: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    height: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
}

impl Spec for Crop {
    const OP: &'static str = "crop";
    const SUMMARY: &'static str = "a part of a picture: a rectangle, or the middle with a part of each side";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        match (self.x, self.y, self.width, self.height, self.ratio) {
            (x, y, Some(width), Some(height), None) if width > 0 && height > 0 => {
                Ok(Box::new(Part::Rectangle { x: x.unwrap_or(0), y: y.unwrap_or(0), width, height }))
            }
            (None, None, None, None, Some(ratio)) if ratio > 0.0 && ratio <= 1.0 => {
                Ok(Box::new(Part::Middle(ratio)))
            }
            (None, None, None, None, Some(ratio)) => {
                Err(StepError::parameter("ratio", "a number above 0 and up to 1", ratio))
            }
            _ => Err(StepError::parameter(
                "width",
                "either 'x', 'y', 'width' and 'height', which are not zero, or 'ratio'",
                "another choice",
            )),
        }
    }
}

#[derive(Debug)]
enum Part {
    Rectangle { x: usize, y: usize, width: usize, height: usize },
    Middle(f64),
}

impl Part {
    /// The part of a picture of this size.
    fn of(&self, width: usize, height: usize) -> Result<Window, StepError> {
        match *self {
            Self::Middle(ratio) => {
                let (left, top) = (left_away(width, ratio), left_away(height, ratio));
                let inner = |size: usize, away: usize| size.saturating_sub(2 * away).max(1);
                Ok(Window {
                    left: left as i64,
                    top: top as i64,
                    width: inner(width, left),
                    height: inner(height, top),
                })
            }
            Self::Rectangle { x, y, width: part_width, height: part_height } => {
                let fits = |start: usize, length: usize, size: usize| {
                    start.checked_add(length).is_some_and(|end| end <= size)
                };
                if !fits(x, part_width, width) || !fits(y, part_height, height) {
                    return Err(StepError::malformed(format!(
                        "the rectangle of {part_width}×{part_height} pixels at ({x}, {y}) does not lie in the \
                         picture of {width}×{height} pixels"
                    )));
                }
                Ok(Window { left: x as i64, top: y as i64, width: part_width, height: part_height })
            }
        }
    }
}

/// How much of a side is left away on either end, as in `tf.image.central_crop`.
fn left_away(size: usize, ratio: f64) -> usize {
    ((size as f64 - size as f64 * ratio) / 2.0) as usize
}

impl Step for Part {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let image = input.image()?;
        let (width, height) = match (self, image.width, image.height) {
            (_, Some(width), Some(height)) => {
                let window = self.of(width, height)?;
                (Some(window.width), Some(window.height))
            }
            (Self::Rectangle { width, height, .. }, ..) => (Some(*width), Some(*height)),
            _ => (None, None),
        };
        Ok(ItemType::Image(ImageType { width, height, ..image }))
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let image = item.into_image()?;
        let window = self.of(image.width(), image.height())?;
        cut(image, window, &Fill::default(), context).map(Item::Image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_keeps_at_least_a_pixel_and_rectangles_must_fit() {
        let window = |left, top, width, height| Window { left, top, width, height };
        assert_eq!(Part::Middle(0.5).of(10, 5).unwrap(), window(2, 1, 6, 3));
        assert_eq!(Part::Middle(1e-9).of(10, 1).unwrap(), window(4, 0, 2, 1));
        let rectangle = Part::Rectangle { x: 2, y: 3, width: 4, height: 5 };
        assert_eq!(rectangle.of(6, 8).unwrap(), window(2, 3, 4, 5));
        assert!(rectangle.of(6, 7).is_err());
        assert!(Part::Rectangle { x: usize::MAX, y: 0, width: 4, height: 5 }.of(6, 7).is_err());
    }
}
