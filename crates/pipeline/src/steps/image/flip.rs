//! `flip`: a picture is mirrored.

use serde::{Deserialize, Serialize};

use super::size::geometry;
use crate::{Context, Files, Image, Item, ItemType, Pixels, Spec, Step, StepError};

/// `{ op = "flip", axis = "horizontal" }`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flip {
    axis: Axis,
}

/// Along which axis pixels change their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// Left and right are swapped.
    Horizontal,
    /// Up and down are swapped.
    Vertical,
}

impl Spec for Flip {
    const OP: &'static str = "flip";
    const SUMMARY: &'static str = "left and right (horizontal) or up and down (vertical) are swapped";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(self))
    }
}

impl Step for Flip {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        input.image().map(ItemType::Image)
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let image = item.into_image()?;
        match self.axis {
            Axis::Horizontal => geometry(context, &image).mirrored(),
            Axis::Vertical => geometry(context, &image).upended(),
        }
        flipped(image, self.axis).map(Item::Image)
    }
}

/// The picture with its pixels mirrored.
///
/// # Errors
/// None that a valid picture can cause.
pub fn flipped(image: Image, axis: Axis) -> Result<Image, StepError> {
    let (width, height, color) = (image.width(), image.height(), image.color());
    let pixels = match image.into_pixels() {
        Pixels::U8(values) => Pixels::U8(mirrored(values, width, color.channels(), axis)),
        Pixels::F32(values) => Pixels::F32(mirrored(values, width, color.channels(), axis)),
    };
    Image::new(width, height, color, pixels)
}

fn mirrored<T: Copy>(mut values: Vec<T>, width: usize, channels: usize, axis: Axis) -> Vec<T> {
    let rows = values.chunks_exact_mut(width * channels);
    match axis {
        Axis::Horizontal => {
            for row in rows {
                // Reversing the row reverses the channels of each pixel too, which is undone.
                row.reverse();
                row.chunks_exact_mut(channels).for_each(<[T]>::reverse);
            }
            values
        }
        Axis::Vertical => rows.rev().flat_map(|row| row.iter().copied()).collect(),
    }
}
