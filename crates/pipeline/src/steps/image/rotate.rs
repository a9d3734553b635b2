//! `rotate`: a picture is turned by quarter turns.

use serde::{Deserialize, Serialize};

use super::flip::{Axis, flipped};
use super::size::geometry;
use crate::{Context, Files, Image, ImageType, Item, ItemType, Pixels, Spec, Step, StepError};

/// `{ op = "rotate", degrees = 90 }`, clockwise.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    degrees: u16,
}

/// How often a picture is turned by 90° clockwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turns {
    /// 90°.
    Quarter,
    /// 180°.
    Half,
    /// 270°.
    ThreeQuarters,
}

impl Spec for Rotate {
    const OP: &'static str = "rotate";
    const SUMMARY: &'static str = "a picture is turned clockwise by 90, 180 or 270 degrees";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        match self.degrees {
            90 => Ok(Box::new(Turn(Turns::Quarter))),
            180 => Ok(Box::new(Turn(Turns::Half))),
            270 => Ok(Box::new(Turn(Turns::ThreeQuarters))),
            other => Err(StepError::parameter("degrees", "90, 180 or 270", other)),
        }
    }
}

#[derive(Debug)]
struct Turn(Turns);

impl Step for Turn {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let image = input.image()?;
        Ok(ItemType::Image(match self.0 {
            Turns::Half => image,
            Turns::Quarter | Turns::ThreeQuarters => {
                ImageType { width: image.height, height: image.width, ..image }
            }
        }))
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let image = item.into_image()?;
        let geometry = geometry(context, &image);
        if self.0 != Turns::Half {
            geometry.transpose();
        }
        if self.0 != Turns::ThreeQuarters {
            geometry.mirrored();
        }
        if self.0 != Turns::Quarter {
            geometry.upended();
        }
        rotated(image, self.0).map(Item::Image)
    }
}

/// The picture, turned clockwise.
///
/// # Errors
/// None that a valid picture can cause.
pub fn rotated(image: Image, turns: Turns) -> Result<Image, StepError> {
    match turns {
        Turns::Quarter => flipped(transposed(image)?, Axis::Horizontal),
        Turns::Half => flipped(flipped(image, Axis::Horizontal)?, Axis::Vertical),
        Turns::ThreeQuarters => flipped(transposed(image)?, Axis::Vertical),
    }
}

/// The picture with rows as columns.
///
/// # Errors
/// None that a valid picture can cause.
pub fn transposed(image: Image) -> Result<Image, StepError> {
    let (width, height, color) = (image.width(), image.height(), image.color());
    let pixels = match image.pixels() {
        Pixels::U8(values) => Pixels::U8(columns(values, width, color.channels())),
        Pixels::F32(values) => Pixels::F32(columns(values, width, color.channels())),
    };
    Image::new(height, width, color, pixels)
}

fn columns<T: Copy + Default>(values: &[T], width: usize, channels: usize) -> Vec<T> {
    // Squares of this side keep both pictures in the cache.
    const SIDE: usize = 32;
    let height = values.len() / (width * channels);
    let mut turned = vec![T::default(); values.len()];
    for top in (0..height).step_by(SIDE) {
        for left in (0..width).step_by(SIDE) {
            for y in top..(top + SIDE).min(height) {
                for x in left..(left + SIDE).min(width) {
                    let (from, to) = ((y * width + x) * channels, (x * height + y) * channels);
                    turned[to..to + channels].copy_from_slice(&values[from..from + channels]);
                }
            }
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Color, Geometry};

    #[test]
    fn a_picture_is_turned_clockwise_and_points_come_back() {
        let image = Image::new(3, 2, Color::Gray, Pixels::U8(vec![1, 2, 3, 4, 5, 6])).unwrap();
        let cases = [
            (Turns::Quarter, (2, 3), vec![4, 1, 5, 2, 6, 3]),
            (Turns::Half, (3, 2), vec![6, 5, 4, 3, 2, 1]),
            (Turns::ThreeQuarters, (2, 3), vec![3, 6, 2, 5, 1, 4]),
        ];
        for (turns, (width, height), pixels) in cases {
            let mut context = Context::default();
            let turned = Turn(turns).apply(Item::Image(image.clone()), &mut context).unwrap();
            let expected = Image::new(width, height, Color::Gray, Pixels::U8(pixels.clone())).unwrap();
            assert_eq!(turned, Item::Image(expected));
            // The middle of the pixel that was 3, the user's upper right corner.
            let place = pixels.iter().position(|value| *value == 3).unwrap();
            let (x, y) = ((place % width) as f64 + 0.5, (place / width) as f64 + 0.5);
            let geometry: Geometry = context.geometry.unwrap();
            assert_eq!(geometry.undo(x, y), (2.5, 0.5), "{turns:?}");
            assert_eq!(geometry.current, (width, height));
        }
    }
}
