//! A tensor as planes of a picture: what steps behind a segmenter look at.

use lehr_tensor::{CastOptions, DataType};
use serde::{Deserialize, Serialize};

use crate::{Item, ItemType, StepError, TensorType};

/// Where the channels of a tensor are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Plane by plane, `[1, channels, height, width]`.
    #[default]
    #[serde(rename = "CHW")]
    Chw,
    /// Pixel by pixel, `[1, height, width, channels]`.
    #[serde(rename = "HWC")]
    Hwc,
}

/// Sizes of a tensor that is seen as planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// How many planes.
    pub channels: usize,
    /// In pixels.
    pub height: usize,
    /// In pixels.
    pub width: usize,
}

/// Planes of numbers, one after the other, none of them empty.
#[derive(Clone, Debug)]
pub struct Planes {
    sizes: Sizes,
    values: Vec<f32>,
}

impl Planes {
    /// The planes of a tensor of two axes (one plane), three, or four of which the first is 1.
    ///
    /// # Errors
    /// [`StepError::Kind`] for anything else, and when an axis is empty.
    pub fn of(item: Item, order: Order) -> Result<Self, StepError> {
        let ty = item.ty();
        let tensor = item.into_tensor()?;
        let sizes = sizes(tensor.shape(), order).ok_or_else(|| unfit(&ty))?;
        let values = tensor.cast(DataType::F32, CastOptions::default())?.into_vec::<f32>()?;
        let values = match order {
            Order::Hwc if sizes.channels > 1 => transposed(&values, sizes.channels),
            _ => values,
        };
        Ok(Self { sizes, values })
    }

    /// Fails when a tensor can not be seen as planes; gives how many planes there are, if that is known.
    ///
    /// # Errors
    /// [`StepError::Kind`].
    pub fn infer(input: &ItemType, order: Order) -> Result<Option<usize>, StepError> {
        let TensorType { shape, .. } = input.tensor()?;
        let Some(shape) = shape else { return Ok(None) };
        // A size that is not known may be the right one.
        let assumed: Vec<usize> = shape.iter().map(|size| size.unwrap_or(1)).collect();
        sizes(&assumed, order).ok_or_else(|| unfit(input))?;
        let channels = match (shape.as_slice(), order) {
            ([_, _], _) => Some(1),
            ([.., channels, _, _], Order::Chw) | ([.., channels], Order::Hwc) => *channels,
            _ => None,
        };
        Ok(channels)
    }

    /// Sizes of all planes.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// One plane after the other, row by row.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.sizes.height * self.sizes.width)
    }

    /// The only plane.
    ///
    /// # Errors
    /// [`StepError::Malformed`] when there are several.
    pub fn single(self) -> Result<(Sizes, Vec<f32>), StepError> {
        match self.sizes.channels {
            1 => Ok((self.sizes, self.values)),
            channels => Err(StepError::malformed(format!("expected one map, got {channels} channels"))),
        }
    }
}

fn unfit(got: &ItemType) -> StepError {
    StepError::kind("a tensor of a single picture with none of its axes empty: two to four axes", got)
}

fn sizes(shape: &[usize], order: Order) -> Option<Sizes> {
    let (channels, height, width) = match (shape, order) {
        ([height, width], _) => (&1, height, width),
        ([channels, height, width] | [1, channels, height, width], Order::Chw) => (channels, height, width),
        ([height, width, channels] | [1, height, width, channels], Order::Hwc) => (channels, height, width),
        _ => return None,
    };
    let [channels, height, width] = [channels, height, width].map(|size| *size);
    (channels > 0 && height > 0 && width > 0).then_some(Sizes { channels, height, width })
}

/// Pixels of several channels plane by plane.
fn transposed(values: &[f32], channels: usize) -> Vec<f32> {
    (0..channels).flat_map(|channel| values.iter().skip(channel).step_by(channels).copied()).collect()
}
