//! `text_regions`: lines of text from the map of a detector with differentiable binarisation.
//!
//! M. Liao et al., "Real-time Scene Text Detection with Differentiable Binarization", AAAI 2020, section 3.5; steps,
//! rounding and order of reading are those of PP-OCR, so that the same lines come out.

mod components;
mod order;
mod rectangle;

use serde::{Deserialize, Serialize};

use self::components::outlines;
use self::order::reading_order;
use self::rectangle::Rectangle;
use super::planes::{Order, Planes, Sizes};
use super::projection::Projection;
use super::rows::descending;
use crate::{Context, Files, Item, ItemType, Object, Region, Spec, Step, StepError};

/// `{ op = "text_regions" }`; the parameters are those of PP-OCR.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextRegions {
    /// A pixel is text above this.
    threshold: f32,
    /// Regions whose mean is below this are dropped.
    score: f64,
    /// By how much a region grows, in units of area / perimeter.
    unclip: f64,
    /// Regions with a shorter side, in pixels of the map, are dropped.
    min_side: f64,
    /// Whether each pixel of text first spreads to its right and below, which joins what is nearly touching.
    dilate: bool,
    /// The most regions, the surest of them.
    max_objects: usize,
}

impl Default for TextRegions {
    fn default() -> Self {
        Self { threshold: 0.3, score: 0.5, unclip: 1.6, min_side: 3.0, dilate: true, max_objects: 1000 }
    }
}

impl Spec for TextRegions {
    const OP: &'static str = "text_regions";
    const SUMMARY: &'static str =
        "lines of text as polygons, in the order of reading, from a text detector's map";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let numbers = [
            ("threshold", f64::from(self.threshold), 1.0),
            ("score", self.score, 1.0),
            ("unclip", self.unclip, 100.0),
            ("min_side", self.min_side, 1e6),
        ];
        for (name, value, most) in numbers {
            if !(0.0..=most).contains(&value) {
                return Err(StepError::parameter(name, format!("a number from 0 to {most}"), value));
            }
        }
        match self.max_objects {
            0 => Err(StepError::parameter("max_objects", "at least 1", 0)),
            _ => Ok(Box::new(self)),
        }
    }
}

impl Step for TextRegions {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        match Planes::infer(input, Order::Chw)? {
            Some(channels) if channels != 1 => Err(StepError::kind("a tensor [1, 1, height, width]", input)),
            _ => Ok(ItemType::Objects),
        }
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let (sizes, map) = Planes::of(item, Order::Chw)?.single()?;
        let projection = Projection::of(sizes.width, sizes.height, context);
        let bitmap = self.bitmap(sizes, &map);
        let mut regions: Vec<_> = outlines(&bitmap, sizes.width)
            .into_iter()
            .filter_map(|outline| self.region(outline, sizes, &map, &projection))
            .collect();
        regions.sort_by(|a, b| descending(a.1, b.1));
        regions.truncate(self.max_objects);
        let objects = reading_order(regions)
            .into_iter()
            .map(|(corners, score)| Object::new(Region::Polygon(corners.to_vec()), score));
        Ok(Item::Objects(objects.collect()))
    }
}

impl TextRegions {
    fn bitmap(&self, sizes: Sizes, map: &[f32]) -> Vec<bool> {
        let text: Vec<bool> = map.iter().map(|value| *value > self.threshold).collect();
        if !self.dilate {
            return text;
        }
        let mut spread = text.clone();
        for (index, _) in text.iter().enumerate().filter(|(_, is_text)| **is_text) {
            let has_right = (index + 1) % sizes.width != 0;
            for (step, exists) in [(1, has_right), (sizes.width, true), (sizes.width + 1, has_right)] {
                if let Some(neighbour) = spread.get_mut(index + step).filter(|_| exists) {
                    *neighbour = true;
                }
            }
        }
        spread
    }

    /// Corners in the user's picture, clockwise from the upper left one, and the score.
    fn region(
        &self,
        outline: Vec<[f64; 2]>,
        sizes: Sizes,
        map: &[f32],
        projection: &Projection,
    ) -> Option<([[f32; 2]; 4], f32)> {
        let tight = Rectangle::around(outline)?;
        if tight.short_side() < self.min_side {
            return None;
        }
        let score = tight.mean(sizes.width, sizes.height, map);
        if score.is_nan() || score < self.score {
            return None;
        }
        let grown = Rectangle::around(tight.grown(self.unclip))?;
        if grown.short_side() < self.min_side + 2.0 {
            return None;
        }
        let (width, height) = projection.original();
        let corners = grown.corners().map(|[x, y]| {
            let (x, y) = projection.to_user(x, y);
            [inside(x, width), inside(y, height)]
        });
        let corners = rectangle::clockwise(corners);
        let side = |a: usize, b: usize| (corners[a][0] - corners[b][0]).hypot(corners[a][1] - corners[b][1]);
        // In whole pixels, as PP-OCR measures them.
        let large_enough = side(0, 1).floor() > 3.0 && side(0, 3).floor() > 3.0;
        large_enough.then(|| (corners.map(|[x, y]| [x as f32, y as f32]), score as f32))
    }
}

/// The nearest whole pixel that is inside the picture.
fn inside(x: f64, size: usize) -> f64 {
    x.round_ties_even().clamp(0.0, size.saturating_sub(1) as f64)
}

#[cfg(test)]
mod tests {
    use lehr_tensor::Tensor;

    use super::*;
    use crate::Geometry;

    /// A map of 40×20 with one block of text.
    fn map() -> Item {
        let inside = |x: usize, y: usize| (10..30).contains(&x) && (8..12).contains(&y);
        let values: Vec<f32> = (0..800).map(|i| if inside(i % 40, i / 40) { 0.9 } else { 0.1 }).collect();
        Item::Tensor(Tensor::from_vec(&[1, 1, 20, 40], values).unwrap())
    }

    fn corners(item: Item) -> Vec<[f32; 2]> {
        let Item::Objects(mut objects) = item else { panic!() };
        match objects.remove(0).region {
            Region::Polygon(corners) => corners,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_block_grows_by_its_area_over_its_perimeter_and_goes_back_to_the_picture() {
        let step = TextRegions { dilate: false, ..TextRegions::default() };
        // The corner pixels are 19 and 3 apart: the distance is 1.6 · 57 / 44 = 2.07.
        let here = corners(step.apply(map(), &mut Context::default()).unwrap());
        assert_eq!(here, [[8.0, 6.0], [31.0, 6.0], [31.0, 13.0], [8.0, 13.0]]);
        let mut geometry = Geometry::identity(80, 60);
        geometry.resized(40, 20);
        let mut context = Context { geometry: Some(geometry), ..Context::default() };
        let there = corners(step.apply(map(), &mut context).unwrap());
        assert_eq!(there, [[16.0, 18.0], [62.0, 18.0], [62.0, 39.0], [16.0, 39.0]]);
    }

    #[test]
    fn nothing_is_found_where_nothing_is_sure() {
        for fill in [0.0, f32::NAN, 0.4, f32::NEG_INFINITY] {
            let map = Tensor::from_vec(&[1, 1, 9, 9], vec![fill; 81]).unwrap();
            let none = TextRegions::default().apply(Item::Tensor(map), &mut Context::default()).unwrap();
            assert_eq!(none, Item::Objects(Vec::new()), "{fill}");
        }
    }
}
