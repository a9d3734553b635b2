//! `resize`: a picture in another size, computed as one of several libraries does it.

mod area;
mod half_pixel;
mod lines;
mod opencv;
mod pil;
mod taps;
mod target;

use half_pixel::Position;
use lehr_tensor::DataType;
use serde::{Deserialize, Serialize};

pub(super) use opencv::cubic;
pub use target::Target;

use super::size::{checked_area, geometry};
use crate::{Context, Files, Image, ImageType, Item, ItemType, Spec, Step, StepError};

/// `{ op = "resize", short_side = 256, filter = "bicubic", convention = "pil" }`, with one of the rules of
/// [`Target`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<[usize; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    short_side: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    long_side: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    height: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_width: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_width: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_side: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_side: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    multiple_of: Option<usize>,
    #[serde(default)]
    filter: Filter,
    #[serde(default)]
    convention: Convention,
}

/// How a pixel is made of its neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// One pixel.
    Nearest,
    /// Triangle.
    #[default]
    Bilinear,
    /// Keys' cubic convolution.
    Bicubic,
    /// Windowed sinc, three lobes.
    Lanczos,
    /// Mean of the pixels that are covered, whole pixels only.
    Box,
    /// Mean of the area that is covered.
    Area,
}

/// Whose arithmetic is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Convention {
    /// Pillow: filters widen when a picture shrinks (antialiasing); bytes are computed in fixed point.
    #[default]
    Pil,
    /// OpenCV: filters do not widen, except for `area`.
    Opencv,
    /// TensorFlow 2 without antialiasing: middles of pixels are mapped to each other. All but nearest gives numbers.
    TfHalfPixel,
    /// ONNX's `Resize` with `half_pixel` and PyTorch's `interpolate`. All but nearest gives numbers.
    HalfPixel,
    /// TensorFlow 1: corners of pixels are mapped to each other. All but nearest gives numbers.
    TfLegacy,
    /// The middles of the first and of the last pixels are mapped to each other. All but nearest gives numbers.
    AlignCorners,
}

impl Convention {
    /// Fails when this library has no such filter.
    ///
    /// # Errors
    /// [`StepError::Parameter`].
    pub fn demand(self, filter: Filter) -> Result<(), StepError> {
        use Filter::{Area, Bicubic, Bilinear, Box, Lanczos, Nearest};
        let known: &[Filter] = match self {
            Self::Pil => &[Nearest, Bilinear, Bicubic, Lanczos, Box],
            Self::Opencv => &[Nearest, Bilinear, Bicubic, Lanczos, Area],
            Self::TfHalfPixel | Self::HalfPixel | Self::TfLegacy | Self::AlignCorners => {
                &[Nearest, Bilinear, Bicubic]
            }
        };
        match known.contains(&filter) {
            true => Ok(()),
            false => {
                let known: Vec<_> = known.iter().map(|filter| format!("{filter:?}").to_lowercase()).collect();
                let expected = format!("{} with this convention", known.join(", "));
                Err(StepError::parameter("filter", expected, format!("{filter:?}").to_lowercase()))
            }
        }
    }
}

impl Convention {
    /// What bytes or numbers become.
    pub(super) fn dtype(self, filter: Filter, dtype: Option<DataType>) -> Option<DataType> {
        match self {
            Self::Pil | Self::Opencv => dtype,
            _ if filter == Filter::Nearest => dtype,
            _ => Some(DataType::F32),
        }
    }
}

impl Spec for Resize {
    const OP: &'static str = "resize";
    const SUMMARY: &'static str = "a picture in another size, as Pillow, OpenCV or TensorFlow compute it";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        self.convention.demand(self.filter)?;
        Ok(Box::new(Resizer { target: self.target()?, filter: self.filter, convention: self.convention }))
    }
}

impl Resize {
    fn target(&self) -> Result<Target, StepError> {
        let given = [
            ("size", self.size.map(|size| size[0].min(size[1]))),
            ("short_side", self.short_side),
            ("long_side", self.long_side),
            ("height", self.height),
            ("min_width", self.min_width),
            ("max_width", self.max_width),
            ("min_side", self.min_side),
            ("max_side", self.max_side),
            ("multiple_of", self.multiple_of),
        ];
        if let Some((name, _)) = given.iter().find(|(_, value)| *value == Some(0)) {
            return Err(StepError::parameter(name, "at least 1", 0));
        }
        let names: Vec<&str> =
            given.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| *name).collect();
        let only = |allowed: &[&str], target| match names.iter().find(|name| !allowed.contains(*name)) {
            None => Ok(target),
            Some(other) => Err(StepError::parameter(
                "size",
                "one of the rules 'size', 'short_side', 'long_side', 'height' or a limit of the sides",
                format!("'{other}' besides '{}'", allowed[0]),
            )),
        };
        match (self.size, self.short_side, self.long_side, self.height) {
            (Some([height, width]), ..) => only(&["size"], Target::Exact { width, height }),
            (_, Some(side), ..) => {
                only(&["short_side", "max_side"], Target::ShortSide { side, max_side: self.max_side })
            }
            (_, _, Some(side), _) => only(&["long_side"], Target::LongSide { side }),
            (.., Some(height)) => only(
                &["height", "min_width", "max_width"],
                Target::Height { height, min_width: self.min_width, max_width: self.max_width },
            ),
            _ if self.min_side.or(self.max_side).or(self.multiple_of).is_some() => only(
                &["min_side", "max_side", "multiple_of"],
                Target::Limits {
                    min_side: self.min_side,
                    max_side: self.max_side,
                    multiple_of: self.multiple_of.unwrap_or(1),
                },
            ),
            _ => Err(StepError::parameter(
                "size",
                "one of 'size', 'short_side', 'long_side', 'height', 'min_side', 'max_side', 'multiple_of'",
                "none",
            )),
        }
    }
}

#[derive(Debug)]
struct Resizer {
    target: Target,
    filter: Filter,
    convention: Convention,
}

impl Step for Resizer {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let image = input.image()?;
        let (width, height) = match (image.width, image.height) {
            (Some(width), Some(height)) => {
                let (width, height) = self.target.of(width, height)?;
                (Some(width), Some(height))
            }
            _ => self.target.known(),
        };
        let dtype = self.convention.dtype(self.filter, image.dtype);
        Ok(ItemType::Image(ImageType { width, height, dtype, ..image }))
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let image = item.into_image()?;
        let (width, height) = self.target.of(image.width(), image.height())?;
        geometry(context, &image).resized(width, height);
        resized(image, width, height, self.filter, self.convention).map(Item::Image)
    }
}

/// The picture in the given size. A picture that has it already keeps its pixels.
///
/// # Errors [`StepError::TooLarge`] for a size that is too large, [`StepError::Parameter`] for a filter that the
/// library does not have.
pub fn resized(
    image: Image,
    width: usize,
    height: usize,
    filter: Filter,
    convention: Convention,
) -> Result<Image, StepError> {
    convention.demand(filter)?;
    checked_area(width, height)?;
    let keeps_type = convention.dtype(filter, image.ty().dtype) == image.ty().dtype;
    if keeps_type && (width, height) == (image.width(), image.height()) {
        return Ok(image);
    }
    // The picture between the two passes of a separable filter.
    checked_area(width, image.height())?;
    let size = (width, height);
    match convention {
        Convention::Pil => pil::resized(&image, width, height, filter),
        Convention::Opencv => opencv::resized(&image, width, height, filter),
        Convention::TfHalfPixel => half_pixel::resized(&image, size, filter, Position::TensorFlow),
        Convention::HalfPixel => half_pixel::resized(&image, size, filter, Position::HalfPixel),
        Convention::TfLegacy => half_pixel::resized(&image, size, filter, Position::Corner),
        Convention::AlignCorners => half_pixel::resized(&image, size, filter, Position::Ends),
    }
}
