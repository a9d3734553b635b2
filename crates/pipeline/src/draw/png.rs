//! Pictures as PNG files.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use super::pixels::rgb;
use crate::{Image, StepError};

/// The content of a PNG file with red, green and blue. Floating-point numbers are spread from the smallest to the
/// largest.
///
/// # Errors
/// [`StepError::Malformed`] when the picture is larger than the format allows.
pub fn png(picture: &Image) -> Result<Vec<u8>, StepError> {
    let failed = |error: &dyn std::fmt::Display| StepError::malformed(format!("no PNG can be made: {error}"));
    let size = |size: usize| u32::try_from(size).map_err(|error| failed(&error));
    let (width, height) = (size(picture.width())?, size(picture.height())?);
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(&rgb(picture), width, height, ExtendedColorType::Rgb8)
        .map_err(|error| failed(&error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Color, Pixels};

    #[test]
    fn a_picture_comes_back_from_its_file() {
        let picture = Image::new(2, 1, Color::Bgr, Pixels::U8(vec![1, 2, 3, 4, 5, 6])).unwrap();
        let back = image::load_from_memory(&png(&picture).unwrap()).unwrap().to_rgb8();
        assert_eq!((back.dimensions(), back.into_raw()), ((2, 1), vec![3, 2, 1, 6, 5, 4]));
    }
}
