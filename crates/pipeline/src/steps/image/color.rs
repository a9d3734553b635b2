//! `color`: another order of the channels, or one channel of brightness.

use serde::{Deserialize, Serialize};

use crate::{Color, Context, Files, Image, ImageType, Item, ItemType, Pixels, Spec, Step, StepError};

/// `{ op = "color", to = "bgr" }`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToColor {
    to: Color,
}

impl Spec for ToColor {
    const OP: &'static str = "color";
    const SUMMARY: &'static str = "another order of the channels: rgb, bgr or gray";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(self))
    }
}

impl Step for ToColor {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        Ok(ItemType::Image(ImageType { color: Some(self.to), ..input.image()? }))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        converted(item.into_image()?, self.to).map(Item::Image)
    }
}

/// The picture in another color. Gray is the luma of ITU-R BT.601 as Pillow computes it, `(19595 R + 38470 G + 7471 B
/// + 2¹⁵) / 2¹⁶` for bytes; a gray picture has that brightness in each of its new channels.
///
/// # Errors None that a valid picture can cause.
pub fn converted(image: Image, to: Color) -> Result<Image, StepError> {
    let (width, height, from) = (image.width(), image.height(), image.color());
    let pixels = match (from, to) {
        _ if from == to => return Ok(image),
        (Color::Gray, _) => match image.into_pixels() {
            Pixels::U8(values) => Pixels::U8(values.into_iter().flat_map(|value| [value; 3]).collect()),
            Pixels::F32(values) => Pixels::F32(values.into_iter().flat_map(|value| [value; 3]).collect()),
        },
        (_, Color::Gray) => match image.into_pixels() {
            Pixels::U8(values) => Pixels::U8(gray(&values, from, luma)),
            Pixels::F32(values) => Pixels::F32(gray(&values, from, luma_of_f32)),
        },
        (Color::Rgb | Color::Bgr, Color::Rgb | Color::Bgr) => match image.into_pixels() {
            Pixels::U8(values) => Pixels::U8(reversed(values)),
            Pixels::F32(values) => Pixels::F32(reversed(values)),
        },
    };
    Image::new(width, height, to, pixels)
}

fn luma(red: u8, green: u8, blue: u8) -> u8 {
    let [red, green, blue] = [red, green, blue].map(u32::from);
    // The weights add up to 2¹⁶, so that the quotient is at most 255.
    ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16) as u8
}

fn luma_of_f32(red: f32, green: f32, blue: f32) -> f32 {
    red * 0.299 + green * 0.587 + blue * 0.114
}

fn gray<T: Copy>(values: &[T], from: Color, luma: impl Fn(T, T, T) -> T) -> Vec<T> {
    let (pixels, _) = values.as_chunks::<3>();
    match from {
        Color::Bgr => pixels.iter().map(|[b, g, r]| luma(*r, *g, *b)).collect(),
        _ => pixels.iter().map(|[r, g, b]| luma(*r, *g, *b)).collect(),
    }
}

fn reversed<T>(mut values: Vec<T>) -> Vec<T> {
    values.as_chunks_mut::<3>().0.iter_mut().for_each(|[first, _, last]| std::mem::swap(first, last));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brightness_is_that_of_pillow_whatever_the_order_of_channels() {
        let image = |color, values: &[u8]| Image::new(2, 1, color, Pixels::U8(values.to_vec())).unwrap();
        let gray = converted(image(Color::Rgb, &[255, 255, 255, 10, 200, 33]), Color::Gray).unwrap();
        assert_eq!(gray.pixels(), &Pixels::U8(vec![255, 124]));
        let same = converted(image(Color::Bgr, &[255, 255, 255, 33, 200, 10]), Color::Gray).unwrap();
        assert_eq!(same, gray);
        let swapped = converted(image(Color::Rgb, &[1, 2, 3, 4, 5, 6]), Color::Bgr).unwrap();
        assert_eq!(swapped.pixels(), &Pixels::U8(vec![3, 2, 1, 6, 5, 4]));
        assert_eq!(
            converted(gray, Color::Rgb).unwrap().pixels(),
            &Pixels::U8(vec![255, 255, 255, 124, 124, 124])
        );
    }
}
