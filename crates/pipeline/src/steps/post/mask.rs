//! `mask`: a class for each pixel.

use lehr_tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::planes::{Order, Planes, Sizes};
use super::projection::{Projection, pixel_at};
use super::rows::descending;
use crate::{Context, Files, Item, ItemType, Mask, Spec, Step, StepError};

/// `{ op = "mask" }`: of several planes of numbers the class with the largest at each pixel; classes of an integer
/// tensor [1, height, width] as they are. Of a single plane of numbers, 1 where a number is at least `threshold`.
///
/// The mask has the size of the user's picture (nearest pixel; what the model did not see is 0), or with
/// `resize = false` that of the tensor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToMask {
    #[serde(default)]
    order: Order,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    threshold: Option<f32>,
    #[serde(default = "default_resize")]
    resize: bool,
}

fn default_resize() -> bool {
    true
}

impl Spec for ToMask {
    const OP: &'static str = "mask";
    const SUMMARY: &'static str =
        "a class for each pixel of the user's picture, by the largest number or a threshold";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        match self.threshold {
            Some(threshold) if !threshold.is_finite() => {
                Err(StepError::parameter("threshold", "a finite number", threshold))
            }
            _ => Ok(Box::new(self)),
        }
    }
}

impl Step for ToMask {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let channels = Planes::infer(input, self.order)?;
        let are_classes = input.tensor()?.dtype.is_none_or(|dtype| dtype.is_int());
        match channels {
            Some(1) if !are_classes && self.threshold.is_none() => Err(needs_threshold()),
            _ => Ok(ItemType::Mask),
        }
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let integers = match &item {
            Item::Tensor(tensor) if tensor.dtype().is_int() => Some(tensor.clone()),
            _ => None,
        };
        let planes = Planes::of(item, self.order)?;
        let sizes = planes.sizes();
        let classes = match (integers, sizes.channels, self.threshold) {
            (Some(tensor), 1, None) => given(&tensor)?,
            (_, 1, Some(threshold)) => {
                planes.single()?.1.into_iter().map(|value| u16::from(value >= threshold)).collect()
            }
            (_, 1, None) => return Err(needs_threshold()),
            (_, _, Some(_)) => {
                return Err(StepError::malformed(format!(
                    "a threshold needs a single plane, got {} channels",
                    sizes.channels
                )));
            }
            _ => likeliest(&planes)?,
        };
        self.placed(classes, sizes, context).map(Item::Mask)
    }
}

impl ToMask {
    fn placed(&self, classes: Vec<u16>, sizes: Sizes, context: &Context) -> Result<Mask, StepError> {
        if !self.resize {
            return Ok(Mask { width: sizes.width, height: sizes.height, classes });
        }
        let projection = Projection::of(sizes.width, sizes.height, context);
        let class =
            |x: f64, y: f64| pixel_at(sizes, x, y).and_then(|at| classes.get(at)).copied().unwrap_or(0);
        let (width, height) = projection.original();
        Ok(Mask { width, height, classes: projection.resize(class)? })
    }
}

fn needs_threshold() -> StepError {
    StepError::malformed("a single plane of numbers needs parameter 'threshold'")
}

fn given(tensor: &Tensor) -> Result<Vec<u16>, StepError> {
    let class = |value: i64| {
        u16::try_from(value)
            .map_err(|_| StepError::malformed(format!("expected classes from 0 to 65535, got {value}")))
    };
    tensor.to_i64s()?.into_iter().map(class).collect()
}

/// The plane with the largest number at each pixel; of equal ones the first.
fn likeliest(planes: &Planes) -> Result<Vec<u16>, StepError> {
    let channels = planes.sizes().channels;
    if u16::try_from(channels).is_err() {
        return Err(StepError::TooLarge {
            what: "classes",
            limit: u64::from(u16::MAX),
            got: channels as u64,
        });
    }
    let mut rest = (0u16..).zip(planes.iter());
    let mut best = rest.next().map(|(_, plane)| plane.to_vec()).unwrap_or_default();
    let mut classes = vec![0; best.len()];
    for (channel, plane) in rest {
        for ((best, class), value) in best.iter_mut().zip(&mut classes).zip(plane) {
            if descending(*value, *best).is_lt() {
                (*best, *class) = (*value, channel);
            }
        }
    }
    Ok(classes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Geometry;

    fn mask(step: &ToMask, tensor: Tensor, context: &mut Context) -> Result<Mask, StepError> {
        let item = Item::Tensor(tensor);
        step.infer(&item.ty())?;
        match step.apply(item, context)? {
            Item::Mask(mask) => Ok(mask),
            other => panic!("{other:?}"),
        }
    }

    const STEP: ToMask = ToMask { order: Order::Chw, threshold: None, resize: true };

    #[test]
    fn classes_come_from_planes_integers_or_a_threshold() {
        let context = &mut Context::default();
        let planes = Tensor::from_vec(&[1, 2, 1, 3], vec![0.0f32, 5.0, f32::NAN, 1.0, 5.0, -9.0]).unwrap();
        assert_eq!(mask(&STEP, planes, context).unwrap().classes, [1, 0, 1]);
        let pixels = Tensor::from_vec(&[1, 3, 2], vec![0.0f32, 1.0, 5.0, 5.0, f32::NAN, -9.0]).unwrap();
        let step = ToMask { order: Order::Hwc, ..STEP };
        assert_eq!(mask(&step, pixels, context).unwrap().classes, [1, 0, 1]);
        let classes = Tensor::from_vec(&[1, 1, 3], vec![3i64, 0, 65535]).unwrap();
        assert_eq!(mask(&STEP, classes, context).unwrap().classes, [3, 0, 65535]);
        let numbers = Tensor::from_vec(&[1, 1, 1, 3], vec![0.4f32, 0.5, f32::NAN]).unwrap();
        assert!(mask(&STEP, numbers.clone(), context).is_err());
        let step = ToMask { threshold: Some(0.5), ..STEP };
        assert_eq!(mask(&step, numbers, context).unwrap().classes, [0, 1, 0]);
        let negative = Tensor::from_vec(&[1, 1], vec![-1i32]).unwrap();
        assert!(mask(&STEP, negative, context).unwrap_err().to_string().contains("got -1"));
    }

    #[test]
    fn the_mask_goes_back_to_the_picture_and_what_was_not_seen_is_background() {
        // 4×2 pixels were scaled to 8×4, and the 4×4 in the middle were fed; the mask has half their size.
        let mut geometry = Geometry::identity(4, 2);
        geometry.resized(8, 4);
        geometry.cut(2, 0, 4, 4);
        let mut context = Context { geometry: Some(geometry), ..Context::default() };
        let classes = Tensor::from_vec(&[2, 2], vec![1u8, 2, 3, 4]).unwrap();
        let seen = mask(&STEP, classes.clone(), &mut context).unwrap();
        assert_eq!(seen, Mask { width: 4, height: 2, classes: vec![0, 1, 2, 0, 0, 3, 4, 0] });
        let step = ToMask { resize: false, ..STEP };
        assert_eq!(mask(&step, classes, &mut context).unwrap().classes, [1, 2, 3, 4]);
    }
}
