//! `ImageDecoder`: <https://onnx.ai/onnx/operators/onnx__ImageDecoder.html>

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, ImageReader, Limits};
use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, attribute_enum, declare_op};
use lehr_tensor::{DataType, Tensor};

attribute_enum! {
    /// Order of the channels.
    pub enum PixelFormat {
        /// Red, green, blue.
        Rgb = "RGB",
        /// Blue, green, red.
        Bgr = "BGR",
        /// One channel: luma.
        Grayscale = "Grayscale",
    }
}

declare_op! {
    /// Decodes the bytes of an image file (BMP, JPEG, PNG, PNM, TIFF, WebP) to `[H, W, C]`; a broken file gives an empty
    /// image.
    pub struct ImageDecoder("", "ImageDecoder", 20) inputs(1, 1) outputs(1, 1) flags() {
        /// Order of the channels.
        pixel_format: PixelFormat = PixelFormat::Rgb,
    }
}

/// Longest side of an image.
const MAX_SIDE: u32 = 1 << 15;

impl Op for ImageDecoder {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.dtype(0)?;
        let channels = Dim::from(self.channels());
        cx.set_tensor(0, Some(DataType::U8), Some(Shape::from([Dim::Unknown, Dim::Unknown, channels])));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let encoded = cx.tensor(0)?;
        if encoded.dtype() != DataType::U8 || encoded.rank() != 1 {
            return Err(OpError::input_type(0, "a vector of u8", encoded.dtype()));
        }
        let limit = cx.environment().max_value_bytes();
        let y = match decode(encoded.bytes(), limit) {
            Ok(image) => self.pixels(&image)?,
            Err(DecodeError::Format) => {
                return Err(OpError::Unsupported("the format of the image is not known".into()));
            }
            Err(DecodeError::Limit) => {
                return Err(OpError::value("the image is larger than the limits allow"));
            }
            Err(DecodeError::Broken) => Tensor::zeros(DataType::U8, &[0, 0, self.channels()])?,
        };
        cx.set(0, y);
        Ok(())
    }
}

impl ImageDecoder {
    fn channels(&self) -> usize {
        if self.pixel_format == PixelFormat::Grayscale { 1 } else { 3 }
    }

    fn pixels(&self, image: &DynamicImage) -> Result<Tensor, OpError> {
        let size = |side: u32| usize::try_from(side).unwrap_or(0);
        let shape = [size(image.height()), size(image.width()), self.channels()];
        let rgb = image.to_rgb8().into_raw();
        let data = match self.pixel_format {
            PixelFormat::Rgb => rgb,
            PixelFormat::Bgr => rgb.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [b, g, r]).collect(),
            PixelFormat::Grayscale if image.color().has_color() => {
                rgb.as_chunks::<3>().0.iter().map(|&pixel| luma(pixel)).collect()
            }
            PixelFormat::Grayscale => image.to_luma8().into_raw(),
        };
        Ok(Tensor::from_vec(&shape, data)?)
    }
}

/// Luma of ITU-R BT.601 in 16-bit fixed point, as JPEG and common image libraries define it.
fn luma([r, g, b]: [u8; 3]) -> u8 {
    let sum = 19595 * u32::from(r) + 38470 * u32::from(g) + 7471 * u32::from(b) + 0x8000;
    u8::try_from(sum >> 16).unwrap_or(u8::MAX)
}

enum DecodeError {
    Format,
    Limit,
    Broken,
}

fn decode(bytes: &[u8], limit: usize) -> Result<DynamicImage, DecodeError> {
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_| DecodeError::Broken)?;
    let known = [
        ImageFormat::Bmp,
        ImageFormat::Jpeg,
        ImageFormat::Png,
        ImageFormat::Pnm,
        ImageFormat::Tiff,
        ImageFormat::WebP,
    ];
    if !reader.format().is_some_and(|format| known.contains(&format)) {
        return Err(DecodeError::Format);
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(u64::try_from(limit).unwrap_or(u64::MAX).min(1 << 30));
    reader.limits(limits);
    reader.decode().map_err(|error| match error {
        image::ImageError::Limits(_) => DecodeError::Limit,
        image::ImageError::Unsupported(_) => DecodeError::Format,
        _ => DecodeError::Broken,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;

    #[test]
    fn channel_orders_and_broken_files() {
        let file = b"P6\n2 1\n255\n\x01\x02\x03\xff\x00\x00";
        for (pixel_format, want) in [
            (PixelFormat::Rgb, vec![1u8, 2, 3, 255, 0, 0]),
            (PixelFormat::Bgr, vec![3, 2, 1, 0, 0, 255]),
            (PixelFormat::Grayscale, vec![2, 76]),
        ] {
            let shape = [1, 2, want.len() / 2];
            Case::new(ImageDecoder { pixel_format })
                .input(Tensor::vector(file.to_vec()))
                .expect(Tensor::from_vec(&shape, want).unwrap());
        }
        Case::new(ImageDecoder { pixel_format: PixelFormat::Rgb })
            .input(Tensor::vector(file[..14].to_vec()))
            .expect(Tensor::zeros(DataType::U8, &[0, 0, 3]).unwrap());
        Case::new(ImageDecoder { pixel_format: PixelFormat::Rgb })
            .input(Tensor::vector(b"nothing".to_vec()))
            .expect_error("format");
    }
}
