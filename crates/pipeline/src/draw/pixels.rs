//! Any picture as bytes of red, green and blue.

use crate::{Color, Image, Pixels};

/// Row by row, three bytes for each pixel. Floating-point numbers are spread from the smallest to the largest.
pub fn rgb(image: &Image) -> Vec<u8> {
    let bytes = match image.pixels() {
        Pixels::U8(values) => values.clone(),
        Pixels::F32(values) => spread(values),
    };
    match image.color() {
        Color::Rgb => bytes,
        Color::Bgr => bytes.chunks_exact(3).flat_map(|pixel| pixel.iter().rev().copied()).collect(),
        Color::Gray => bytes.into_iter().flat_map(|value| [value; 3]).collect(),
    }
}

fn spread(values: &[f32]) -> Vec<u8> {
    let (low, high) = range(values);
    values.iter().map(|value| ((value - low) / (high - low) * 255.0) as u8).collect()
}

/// The smallest and the largest finite number; 0 and 1 where there are not two.
pub fn range(values: &[f32]) -> (f32, f32) {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let (low, high) =
        finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    if low < high { (low, high) } else { (0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_of_channels_and_every_range_is_shown() {
        let image = |color, pixels| Image::new(1, 1, color, pixels).unwrap();
        assert_eq!(rgb(&image(Color::Bgr, Pixels::U8(vec![1, 2, 3]))), [3, 2, 1]);
        assert_eq!(rgb(&image(Color::Gray, Pixels::U8(vec![7]))), [7, 7, 7]);
        assert_eq!(rgb(&image(Color::Rgb, Pixels::F32(vec![-1.0, f32::NAN, 1.0]))), [0, 0, 255]);
    }
}
