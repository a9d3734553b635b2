//! `heat_map`: a number for each pixel.

use serde::{Deserialize, Serialize};

use super::planes::{Order, Planes, Sizes};
use super::projection::Projection;
use crate::{Context, Files, HeatMap, Item, ItemType, Spec, Step, StepError};

/// `{ op = "heat_map" }`, of several planes `{ op = "heat_map", channel = 2 }`.
///
/// The map has the size of the user's picture (between pixels it is linear; what the model did not see is 0), or with
/// `resize = false` that of the tensor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToHeatMap {
    #[serde(default)]
    order: Order,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channel: Option<usize>,
    #[serde(default = "default_resize")]
    resize: bool,
}

fn default_resize() -> bool {
    true
}

impl Spec for ToHeatMap {
    const OP: &'static str = "heat_map";
    const SUMMARY: &'static str = "a number for each pixel of the user's picture";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(self))
    }
}

impl Step for ToHeatMap {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let channels = Planes::infer(input, self.order)?;
        channels.map_or(Ok(0), |channels| self.position(channels)).map(|_| ItemType::HeatMap)
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let planes = Planes::of(item, self.order)?;
        let sizes = planes.sizes();
        let plane = planes.iter().nth(self.position(sizes.channels)?).unwrap_or_default();
        if !self.resize {
            let map = HeatMap { width: sizes.width, height: sizes.height, values: plane.to_vec() };
            return Ok(Item::HeatMap(map));
        }
        let projection = Projection::of(sizes.width, sizes.height, context);
        let (width, height) = projection.original();
        let values = projection.resize(|x, y| sample(plane, sizes, x, y))?;
        Ok(Item::HeatMap(HeatMap { width, height, values }))
    }
}

impl ToHeatMap {
    fn position(&self, channels: usize) -> Result<usize, StepError> {
        match self.channel {
            None if channels == 1 => Ok(0),
            Some(channel) if channel < channels => Ok(channel),
            None => Err(StepError::parameter("channel", format!("one of the {channels} channels"), "none")),
            Some(channel) => Err(StepError::parameter(
                "channel",
                format!("at most {}", channels.saturating_sub(1)),
                channel,
            )),
        }
    }
}

/// Between the centres of pixels the map is linear, from the outermost ones to its edge it is constant, and outside 0.
fn sample(plane: &[f32], sizes: Sizes, x: f64, y: f64) -> f32 {
    let Sizes { width, height, .. } = sizes;
    let is_inside = (0.0..=width as f64).contains(&x) && (0.0..=height as f64).contains(&y);
    if !is_inside {
        return 0.0;
    }
    let neighbours = |position: f64, size: usize| {
        let position = (position - 0.5).clamp(0.0, (size - 1) as f64);
        let first = position as usize;
        (first, (first + 1).min(size - 1), position.fract() as f32)
    };
    let ((left, right, dx), (upper, lower, dy)) = (neighbours(x, width), neighbours(y, height));
    let at = |x: usize, y: usize| plane.get(y * width + x).copied().unwrap_or(0.0);
    let between = |a: f32, b: f32, part: f32| a + (b - a) * part;
    between(
        between(at(left, upper), at(right, upper), dx),
        between(at(left, lower), at(right, lower), dx),
        dy,
    )
}

#[cfg(test)]
mod tests {
    use lehr_tensor::Tensor;

    use super::*;
    use crate::Geometry;

    #[test]
    fn the_map_is_linear_between_pixels_and_zero_outside() {
        // 8×1 pixels were cropped to the 4 in the middle, for which the model gives 2 numbers.
        let mut geometry = Geometry::identity(8, 1);
        geometry.cut(2, 0, 4, 1);
        let mut context = Context { geometry: Some(geometry), ..Context::default() };
        let map = Item::Tensor(Tensor::from_vec(&[1, 1, 1, 2], vec![1.0f32, 3.0]).unwrap());
        let step = ToHeatMap { order: Order::Chw, channel: None, resize: true };
        let Item::HeatMap(map) = step.apply(map, &mut context).unwrap() else { panic!() };
        assert_eq!((map.width, map.height), (8, 1));
        assert_eq!(map.values, [0.0, 0.0, 1.0, 1.5, 2.5, 3.0, 0.0, 0.0]);
    }

    #[test]
    fn one_of_several_planes_must_be_chosen() {
        let planes = Item::Tensor(Tensor::from_vec(&[2, 1, 1], vec![1.0f32, 3.0]).unwrap());
        let give = |channel| {
            let step = ToHeatMap { order: Order::Chw, channel, resize: false };
            step.infer(&planes.ty()).and_then(|_| step.apply(planes.clone(), &mut Context::default()))
        };
        assert_eq!(give(Some(1)).unwrap(), Item::HeatMap(HeatMap { width: 1, height: 1, values: vec![3.0] }));
        assert!(give(None).is_err() && give(Some(2)).is_err());
    }
}
