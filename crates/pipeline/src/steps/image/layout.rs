//! `layout`: a picture becomes a tensor with its axes in the model's order.

use lehr_tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::{Affine, Context, Files, Image, Item, ItemType, Pixels, Spec, Step, StepError, TensorType};

/// `{ op = "layout", order = "CHW" }`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    order: Order,
}

/// Order of the axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Order {
    #[serde(rename = "CHW")]
    Chw,
    #[serde(rename = "HWC")]
    Hwc,
}

impl Spec for Layout {
    const OP: &'static str = "layout";
    const SUMMARY: &'static str = "a picture becomes a tensor with its axes in the order CHW or HWC";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(self))
    }
}

impl Step for Layout {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let image = input.image()?;
        let channels = image.color.map(|color| color.channels());
        let shape = match self.order {
            Order::Chw => vec![channels, image.height, image.width],
            Order::Hwc => vec![image.height, image.width, channels],
        };
        Ok(ItemType::Tensor(TensorType { dtype: image.dtype, shape: Some(shape) }))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let image = item.into_image()?;
        let shape = match self.order {
            Order::Chw => [image.color().channels(), image.height(), image.width()],
            Order::Hwc => [image.height(), image.width(), image.color().channels()],
        };
        let planar = self.order == Order::Chw;
        Ok(Item::Tensor(match ordered(image, planar) {
            Pixels::U8(values) => Tensor::from_vec(&shape, values)?,
            Pixels::F32(values) => Tensor::from_vec(&shape, values)?,
        }))
    }

    fn affine(&self) -> Affine {
        let order = match self.order {
            Order::Chw => "CHW",
            Order::Hwc => "HWC",
        };
        Affine::Layout(order.to_owned())
    }
}

fn ordered(image: Image, planar: bool) -> Pixels {
    let channels = image.color().channels();
    match image.into_pixels() {
        pixels if !planar || channels == 1 => pixels,
        Pixels::U8(values) => Pixels::U8(planes(&values, channels)),
        Pixels::F32(values) => Pixels::F32(planes(&values, channels)),
    }
}

fn planes<T: Copy>(values: &[T], channels: usize) -> Vec<T> {
    let mut planes = Vec::with_capacity(values.len());
    for channel in 0..channels {
        match channels {
            3 => planes.extend(values.as_chunks::<3>().0.iter().map(|pixel| pixel[channel])),
            _ => planes.extend(values.iter().skip(channel).step_by(channels)),
        }
    }
    planes
}
