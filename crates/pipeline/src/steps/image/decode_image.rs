//! `decode_image`: the content of a PNG, JPEG, WebP, GIF or BMP file becomes a picture of bytes.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageFormat, ImageReader, Limits};
use lehr_tensor::DataType;
use serde::{Deserialize, Serialize};

use super::color::converted;
use super::flip::{Axis, flipped};
use super::jpeg::{self, JpegError};
use super::rotate::{Turns, rotated, transposed};
use crate::{
    Color, Context, Files, Geometry, Image, ImageType, Item, ItemType, Pixels, Spec, Step, StepError,
};

/// `{ op = "decode_image", color = "rgb", exif = true, alpha = "drop", max_pixels = 100_000_000 }`
///
/// A picture that is decoded already passes, with its color converted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecodeImage {
    #[serde(default = "rgb")]
    color: Color,
    #[serde(default = "yes")]
    exif: bool,
    #[serde(default)]
    alpha: Alpha,
    #[serde(default = "hundred_million")]
    max_pixels: u64,
}

/// What becomes of transparency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Alpha {
    /// Pixels keep their color, however transparent they are, as Pillow's `convert("RGB")` does.
    #[default]
    Drop,
    /// The picture lies on white.
    White,
    /// The picture lies on black.
    Black,
}

fn rgb() -> Color {
    Color::Rgb
}

fn yes() -> bool {
    true
}

fn hundred_million() -> u64 {
    100_000_000
}

impl Default for DecodeImage {
    fn default() -> Self {
        Self { color: rgb(), exif: yes(), alpha: Alpha::default(), max_pixels: hundred_million() }
    }
}

impl Spec for DecodeImage {
    const OP: &'static str = "decode_image";
    const SUMMARY: &'static str = "a PNG, JPEG, WebP, GIF or BMP file becomes a picture";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        match self.max_pixels {
            0 => Err(StepError::parameter("max_pixels", "at least 1", 0)),
            _ => Ok(Box::new(self)),
        }
    }
}

impl Step for DecodeImage {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let image = match input {
            ItemType::Image(image) => *image,
            ItemType::Bytes => ImageType { dtype: Some(DataType::U8), ..ImageType::default() },
            other => return Err(StepError::kind("a picture or the bytes of one", other)),
        };
        Ok(ItemType::Image(ImageType { color: Some(self.color), ..image }))
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let image = match item {
            Item::Image(image) => converted(image, self.color)?,
            Item::Bytes(bytes) => self.decode(&bytes)?,
            other => return Err(StepError::kind("a picture or the bytes of one", other.ty())),
        };
        context.geometry = Some(Geometry::identity(image.width(), image.height()));
        if context.keep_picture {
            context.picture = Some(image.clone());
        }
        Ok(Item::Image(image))
    }
}

impl DecodeImage {
    /// The picture in a file's content. The format is found by its first bytes; of an animation the first frame is
    /// taken; of 16 bits the upper 8.
    ///
    /// # Errors
    /// [`StepError::TooLarge`] before memory for a picture of more than `max_pixels` is taken, and
    /// [`StepError::Malformed`] for content that is damaged, cut off or none of the formats.
    pub fn decode(&self, bytes: &[u8]) -> Result<Image, StepError> {
        let format = format(bytes)?;
        if format == ImageFormat::Jpeg {
            return self.jpeg(bytes);
        }
        let failed =
            |error| StepError::malformed(format!("the {} can not be decoded: {error}", name(format)));
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        reader.limits(self.limits());
        let mut decoder = reader.into_decoder().map_err(failed)?;
        let (width, height) = decoder.dimensions();
        let area = u64::from(width) * u64::from(height);
        if area > self.max_pixels {
            return Err(self.too_large(area));
        }
        let orientation = match self.exif {
            true => decoder.orientation().map_err(failed)?,
            false => Orientation::NoTransforms,
        };
        let color = decoder.color_type();
        let size = usize::try_from(decoder.total_bytes()).map_err(StepError::malformed)?;
        let mut samples = vec![0; size];
        decoder.read_image(&mut samples).map_err(failed)?;
        let image = self.picture(width as usize, height as usize, color, samples)?;
        converted(upright(image, orientation)?, self.color)
    }

    fn jpeg(&self, bytes: &[u8]) -> Result<Image, StepError> {
        let jpeg = jpeg::decode(bytes, self.max_pixels).map_err(|error| match error {
            JpegError::TooLarge(got) => self.too_large(got),
            error => StepError::malformed(format!("the JPEG can not be decoded: {error}")),
        })?;
        let color = if jpeg.channels == 1 { Color::Gray } else { Color::Rgb };
        let image = Image::new(jpeg.width, jpeg.height, color, Pixels::U8(jpeg.samples))?;
        let orientation = if self.exif { jpeg.orientation } else { Orientation::NoTransforms };
        converted(upright(image, orientation)?, self.color)
    }

    fn too_large(&self, got: u64) -> StepError {
        StepError::TooLarge { what: "pixels of the picture", limit: self.max_pixels, got }
    }

    /// Bounds what decoders take beside the picture itself, which is at most 8 bytes a pixel.
    fn limits(&self) -> Limits {
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(self.max_pixels.saturating_mul(16).saturating_add(1 << 26));
        limits
    }

    /// Decoded samples without their lower 8 of 16 bits and without alpha.
    fn picture(
        &self,
        width: usize,
        height: usize,
        color: ColorType,
        samples: Vec<u8>,
    ) -> Result<Image, StepError> {
        let samples = match color {
            ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => upper_bytes(&samples),
            _ => samples,
        };
        let (color, samples) = match color {
            ColorType::L8 | ColorType::L16 => (Color::Gray, samples),
            ColorType::La8 | ColorType::La16 => (Color::Gray, self.opaque::<2, 1>(&samples)),
            ColorType::Rgb8 | ColorType::Rgb16 => (Color::Rgb, samples),
            ColorType::Rgba8 | ColorType::Rgba16 => (Color::Rgb, self.opaque::<4, 3>(&samples)),
            other => {
                return Err(StepError::malformed(format!("pixels of the kind {other:?} are not supported")));
            }
        };
        Image::new(width, height, color, Pixels::U8(samples))
    }

    /// Pixels of `ALL` channels, of which the last is alpha, without it.
    fn opaque<const ALL: usize, const COLORS: usize>(&self, samples: &[u8]) -> Vec<u8> {
        let pixels = samples.as_chunks::<ALL>().0.iter();
        let mut opaque = Vec::with_capacity(pixels.len() * COLORS);
        for pixel in pixels {
            let (colors, alpha) = (&pixel[..COLORS], pixel[ALL - 1]);
            match self.alpha {
                Alpha::Drop => opaque.extend_from_slice(colors),
                Alpha::White => opaque.extend(colors.iter().map(|value| blend(255, *value, alpha))),
                Alpha::Black => opaque.extend(colors.iter().map(|value| blend(0, *value, alpha))),
            }
        }
        opaque
    }
}

/// The format by its signature.
fn format(bytes: &[u8]) -> Result<ImageFormat, StepError> {
    const KNOWN: [ImageFormat; 5] =
        [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp];
    if bytes.is_empty() {
        return Err(StepError::malformed(
            "the picture is empty: expected the content of a file, got 0 bytes",
        ));
    }
    match image::guess_format(bytes) {
        Ok(format) if KNOWN.contains(&format) => Ok(format),
        Ok(other) => Err(StepError::malformed(format!(
            "expected a PNG, JPEG, WebP, GIF or BMP picture, got one of format {other:?}"
        ))),
        Err(_) => {
            let start: Vec<_> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            Err(StepError::malformed(format!(
                "expected a PNG, JPEG, WebP, GIF or BMP picture, got {} bytes that begin with {}",
                bytes.len(),
                start.join(" ")
            )))
        }
    }
}

fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "PNG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Gif => "GIF",
        _ => "BMP",
    }
}

fn upper_bytes(samples: &[u8]) -> Vec<u8> {
    samples.as_chunks::<2>().0.iter().map(|pair| (u16::from_ne_bytes(*pair) >> 8) as u8).collect()
}

/// `value` over `background`, rounded as Pillow's `paste` with a mask rounds.
fn blend(background: u8, value: u8, alpha: u8) -> u8 {
    let [background, value, alpha] = [background, value, alpha].map(u32::from);
    let sum = background * (255 - alpha) + value * alpha + 128;
    // At most 255, because the weights add up to 255.
    (((sum >> 8) + sum) >> 8) as u8
}

/// The picture as it should be looked at.
fn upright(image: Image, orientation: Orientation) -> Result<Image, StepError> {
    match orientation {
        Orientation::NoTransforms => Ok(image),
        Orientation::Rotate90 => rotated(image, Turns::Quarter),
        Orientation::Rotate180 => rotated(image, Turns::Half),
        Orientation::Rotate270 => rotated(image, Turns::ThreeQuarters),
        Orientation::FlipHorizontal => flipped(image, Axis::Horizontal),
        Orientation::FlipVertical => flipped(image, Axis::Vertical),
        Orientation::Rotate90FlipH => transposed(image),
        Orientation::Rotate270FlipH => flipped(rotated(image, Turns::ThreeQuarters)?, Axis::Horizontal),
    }
}
