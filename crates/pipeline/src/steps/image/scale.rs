//! `scale`: numbers are multiplied and shifted.

use lehr_tensor::{CastOptions, DataType, Tensor};
use serde::{Deserialize, Serialize};

use crate::{
    Affine, Context, Files, Image, ImageType, Item, ItemType, Pixels, Spec, Step, StepError, TensorType,
};

/// `{ op = "scale", by = 0.00392156862745098, offset = 0.0 }`: `x · by + offset`, computed in double precision and
/// rounded to single.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    by: f64,
    #[serde(default)]
    offset: f64,
}

impl Spec for Scale {
    const OP: &'static str = "scale";
    const SUMMARY: &'static str =
        "numbers of a picture or tensor are multiplied and shifted; bytes become f32";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        for (name, value) in [("by", self.by), ("offset", self.offset)] {
            if !value.is_finite() {
                return Err(StepError::parameter(name, "a finite number", value));
            }
        }
        Ok(Box::new(self))
    }
}

impl Step for Scale {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let dtype = Some(DataType::F32);
        match input {
            ItemType::Image(image) => Ok(ItemType::Image(ImageType { dtype, ..*image })),
            ItemType::Tensor(tensor) => Ok(ItemType::Tensor(TensorType { dtype, ..tensor.clone() })),
            other => Err(StepError::kind("a picture or a tensor", other)),
        }
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let scale = |value: f64| (value * self.by + self.offset) as f32;
        match item {
            Item::Image(image) => {
                let (width, height, color) = (image.width(), image.height(), image.color());
                let values = match image.into_pixels() {
                    Pixels::U8(values) => {
                        let table: [f32; 256] = std::array::from_fn(|byte| scale(byte as f64));
                        values.iter().map(|byte| table[usize::from(*byte)]).collect()
                    }
                    Pixels::F32(mut values) => {
                        values.iter_mut().for_each(|value| *value = scale(f64::from(*value)));
                        values
                    }
                };
                Image::new(width, height, color, Pixels::F32(values)).map(Item::Image)
            }
            Item::Tensor(tensor) => {
                let shape = tensor.shape().to_vec();
                let mut values = tensor.cast(DataType::F32, CastOptions::default())?.into_vec::<f32>()?;
                values.iter_mut().for_each(|value| *value = scale(f64::from(*value)));
                Ok(Item::Tensor(Tensor::from_vec(&shape, values)?))
            }
            other => Err(StepError::kind("a picture or a tensor", other.ty())),
        }
    }

    fn affine(&self) -> Affine {
        Affine::Channels { scale: vec![self.by as f32], shift: vec![self.offset as f32] }
    }
}
