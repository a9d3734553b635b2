//! `center_crop`: the middle of a picture; a picture that is smaller is padded with black.

use serde::{Deserialize, Serialize};

use super::size::check_parameter;
use super::window::{Fill, Window, cut};
use crate::{Context, Files, ImageType, Item, ItemType, Spec, Step, StepError};

/// `{ op = "center_crop", size = [224, 224] }`, height before width.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CenterCrop {
    size: [usize; 2],
    #[serde(default)]
    rounding: Rounding,
}

/// Where the window lies when as many pixels as it leaves away can not be halved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rounding {
    /// Half a pixel is rounded to the even position, as in torchvision.
    #[default]
    Even,
    /// Half a pixel is rounded down, as in Hugging Face's image processors.
    Down,
}

impl Spec for CenterCrop {
    const OP: &'static str = "center_crop";
    const SUMMARY: &'static str = "the middle of a picture, padded with zeros where it is smaller";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        check_parameter(self.size)?;
        Ok(Box::new(self))
    }
}

impl Step for CenterCrop {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let [height, width] = self.size;
        Ok(ItemType::Image(ImageType { width: Some(width), height: Some(height), ..input.image()? }))
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let image = item.into_image()?;
        let [height, width] = self.size;
        let window = Window {
            left: start(image.width(), width, self.rounding),
            top: start(image.height(), height, self.rounding),
            width,
            height,
        };
        cut(image, window, &Fill::default(), context).map(Item::Image)
    }
}

/// Where a window of `to` pixels begins in the middle of `from`.
fn start(from: usize, to: usize, rounding: Rounding) -> i64 {
    // Both are bounded by the largest area.
    let left_away = from as i64 - to as i64;
    match rounding {
        Rounding::Down => left_away.div_euclid(2),
        Rounding::Even if left_away < 0 => left_away / 2,
        Rounding::Even => {
            let half = left_away / 2;
            half + (left_away % 2) * (half % 2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_that_of_each_library() {
        let starts = |rounding| [10, 11, 12, 13, 14, 15, 9, 8, 7].map(|from| start(from, 10, rounding));
        assert_eq!(starts(Rounding::Even), [0, 0, 1, 2, 2, 2, 0, -1, -1]);
        assert_eq!(starts(Rounding::Down), [0, 0, 1, 1, 2, 2, -1, -1, -2]);
    }
}
