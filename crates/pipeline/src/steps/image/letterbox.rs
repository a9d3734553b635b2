//! `letterbox`: a picture is fitted into a size without changing its ratio, and the rest is filled.

use serde::{Deserialize, Serialize};

use super::resize::{Convention, Filter, resized};
use super::size::{check_parameter, geometry};
use super::window::{Anchor, Fill, cut};
use crate::{Context, Files, ImageType, Item, ItemType, Spec, Step, StepError};

/// `{ op = "letterbox", size = [640, 640], value = 114, anchor = "center", upscale = true }`, height before width.
///
/// Sides are scaled by the smaller of the two ratios and rounded to the nearest pixel, a half to the even one. Unlike
/// in `resize`, the convention is OpenCV's where none is given, because letterboxes come from there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Letterbox {
    size: [usize; 2],
    #[serde(default)]
    value: Fill,
    #[serde(default = "center")]
    anchor: Anchor,
    #[serde(default = "yes")]
    upscale: bool,
    #[serde(default)]
    filter: Filter,
    #[serde(default = "opencv")]
    convention: Convention,
}

fn center() -> Anchor {
    Anchor::Center
}

fn opencv() -> Convention {
    Convention::Opencv
}

fn yes() -> bool {
    true
}

impl Spec for Letterbox {
    const OP: &'static str = "letterbox";
    const SUMMARY: &'static str = "a picture is fitted into a size, keeps its ratio, and the rest is filled";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        check_parameter(self.size)?;
        self.convention.demand(self.filter)?;
        Ok(Box::new(self))
    }
}

impl Letterbox {
    /// The size that a picture of this size gets inside the letterbox.
    fn inner(&self, width: usize, height: usize) -> (usize, usize) {
        let [to_height, to_width] = self.size;
        let ratio = (to_height as f64 / height as f64).min(to_width as f64 / width as f64);
        let ratio = if self.upscale { ratio } else { ratio.min(1.0) };
        let side =
            |side: usize, most: usize| ((side as f64 * ratio).round_ties_even() as usize).clamp(1, most);
        (side(width, to_width), side(height, to_height))
    }
}

impl Step for Letterbox {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let [height, width] = self.size;
        let image = input.image()?;
        let dtype = self.convention.dtype(self.filter, image.dtype);
        Ok(ItemType::Image(ImageType { width: Some(width), height: Some(height), dtype, ..image }))
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let image = item.into_image()?;
        let (width, height) = self.inner(image.width(), image.height());
        geometry(context, &image).resized(width, height);
        let image = resized(image, width, height, self.filter, self.convention)?;
        let window = self.anchor.window((width, height), (self.size[1], self.size[0]));
        cut(image, window, &self.value, context).map(Item::Image)
    }
}
