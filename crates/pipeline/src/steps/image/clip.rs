//! `clip`: numbers below or above bounds become the bounds.

use lehr_tensor::{CastOptions, DataType, Tensor};
use serde::{Deserialize, Serialize};

use crate::{Context, Files, Image, Item, ItemType, Pixels, Spec, Step, StepError, TensorType};

/// `{ op = "clip", min = 0.0, max = 1.0 }`; NaN stays.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clip {
    min: f32,
    max: f32,
}

impl Spec for Clip {
    const OP: &'static str = "clip";
    const SUMMARY: &'static str = "numbers of a picture or tensor are kept between two bounds";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        match self.min <= self.max {
            true => Ok(Box::new(self)),
            false => Err(StepError::parameter("min", format!("at most 'max', {}", self.max), self.min)),
        }
    }
}

impl Step for Clip {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        match input {
            ItemType::Image(image) => Ok(ItemType::Image(*image)),
            ItemType::Tensor(tensor) => {
                Ok(ItemType::Tensor(TensorType { dtype: Some(DataType::F32), ..tensor.clone() }))
            }
            other => Err(StepError::kind("a picture or a tensor", other)),
        }
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        match item {
            Item::Image(image) => {
                let (width, height, color) = (image.width(), image.height(), image.color());
                let pixels = match image.into_pixels() {
                    Pixels::U8(mut values) => {
                        // A bound between two bytes lets pass what lies inside; conversions saturate.
                        let (min, max) = (self.min.ceil() as u8, self.max.floor() as u8);
                        values.iter_mut().for_each(|value| *value = (*value).max(min).min(max));
                        Pixels::U8(values)
                    }
                    Pixels::F32(mut values) => {
                        self.clip(&mut values);
                        Pixels::F32(values)
                    }
                };
                Image::new(width, height, color, pixels).map(Item::Image)
            }
            Item::Tensor(tensor) => {
                let shape = tensor.shape().to_vec();
                let mut values = tensor.cast(DataType::F32, CastOptions::default())?.into_vec::<f32>()?;
                self.clip(&mut values);
                Ok(Item::Tensor(Tensor::from_vec(&shape, values)?))
            }
            other => Err(StepError::kind("a picture or a tensor", other.ty())),
        }
    }
}

impl Clip {
    fn clip(&self, values: &mut [f32]) {
        values.iter_mut().for_each(|value| *value = value.clamp(self.min, self.max));
    }
}
