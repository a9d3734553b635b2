//! `unletterbox`: objects go back from the model's picture to the user's.

use serde::{Deserialize, Serialize};

use crate::{Context, Files, Geometry, Item, ItemType, KeyPoint, Object, Region, Spec, Step, StepError};

/// `{ op = "unletterbox" }`: whatever was done to the picture (resized, padded, cropped, flipped) is undone for
/// regions and key points. What lies outside of the picture is cut off, and boxes that lie there wholly are dropped,
/// unless `clip = false`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unletterbox {
    #[serde(default = "default_clip")]
    clip: bool,
}

fn default_clip() -> bool {
    true
}

impl Spec for Unletterbox {
    const OP: &'static str = "unletterbox";
    const SUMMARY: &'static str = "objects go back from the model's picture to the user's";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(self))
    }
}

impl Step for Unletterbox {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        input.demand("objects", *input == ItemType::Objects)?;
        Ok(ItemType::Objects)
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let Item::Objects(objects) = item else { return Err(StepError::kind("objects", item.ty())) };
        let Some(geometry) = context.geometry else {
            return Err(StepError::malformed("there is no picture to go back to: the input is none"));
        };
        let objects = objects.into_iter().map(|object| self.undone(object, &geometry));
        Ok(Item::Objects(objects.filter(|object| !self.clip || has_area(object)).collect()))
    }
}

impl Unletterbox {
    fn undone(&self, object: Object, geometry: &Geometry) -> Object {
        let point = |x: f32, y: f32| {
            let (x, y) = (f64::from(x), f64::from(y));
            let (x, y) = if self.clip { geometry.undo_inside(x, y) } else { geometry.undo(x, y) };
            [x as f32, y as f32]
        };
        let region = match object.region {
            Region::Box { x1, y1, x2, y2 } => {
                let ([ax, ay], [bx, by]) = (point(x1, y1), point(x2, y2));
                // A mirrored picture swaps the edges.
                Region::Box { x1: ax.min(bx), y1: ay.min(by), x2: ax.max(bx), y2: ay.max(by) }
            }
            Region::Polygon(points) => {
                Region::Polygon(points.into_iter().map(|[x, y]| point(x, y)).collect())
            }
        };
        let key_points = object.key_points.into_iter().map(|key| {
            let [x, y] = point(key.x, key.y);
            KeyPoint { x, y, ..key }
        });
        Object { region, key_points: key_points.collect(), ..object }
    }
}

fn has_area(object: &Object) -> bool {
    let [x1, y1, x2, y2] = object.region.bounds();
    x2 > x1 && y2 > y1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letterboxed() -> Context {
        let mut geometry = Geometry::identity(200, 100);
        geometry.resized(100, 50);
        geometry.cut(0, -25, 100, 100);
        Context { geometry: Some(geometry), ..Context::default() }
    }

    fn square(x1: f32, y1: f32, x2: f32, y2: f32) -> Object {
        let key_points = vec![KeyPoint { x: x1, y: y1, score: 0.5 }];
        Object { key_points, ..Object::new(Region::Box { x1, y1, x2, y2 }, 1.0) }
    }

    fn undone(clip: bool, objects: Vec<Object>) -> Vec<Object> {
        match (Unletterbox { clip }).apply(Item::Objects(objects), &mut letterboxed()).unwrap() {
            Item::Objects(objects) => objects,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn boxes_and_points_go_back_and_stay_inside() {
        let objects = vec![square(10.0, 35.0, 120.0, 90.0), square(0.0, 0.0, 100.0, 20.0)];
        let inside = undone(true, objects.clone());
        assert_eq!(inside, [square(20.0, 20.0, 200.0, 100.0)]);
        let free = undone(false, objects);
        assert_eq!(free, [square(20.0, 20.0, 240.0, 130.0), square(0.0, -50.0, 200.0, -10.0)]);
    }

    #[test]
    fn polygons_go_back_point_by_point_and_a_picture_is_needed() {
        let polygon = Object::new(Region::Polygon(vec![[0.0, 25.0], [50.0, 25.0], [50.0, 75.0]]), 1.0);
        let expected = Region::Polygon(vec![[0.0, 0.0], [100.0, 0.0], [100.0, 100.0]]);
        assert_eq!(undone(true, vec![polygon])[0].region, expected);
        let nowhere = Unletterbox { clip: true }.apply(Item::Objects(Vec::new()), &mut Context::default());
        assert!(nowhere.is_err());
    }
}
