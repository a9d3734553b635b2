//! `key_points`: named points of one object, a body or a hand.

use lehr_tensor::{CastOptions, DataType, Tensor};
use serde::{Deserialize, Serialize};

use super::planes::{Order, Planes, Sizes};
use super::projection::Projection;
use super::rows::largest;
use crate::{Context, Files, Item, ItemType, KeyPoint, Object, Region, Spec, Step, StepError, TensorType};

/// `{ op = "key_points" }`: of a map for each point [1, points, height, width] the place of the largest number, moved
/// by a quarter of a pixel towards the larger of its neighbours (A. Newell et al., "Stacked Hourglass Networks for Human
/// Pose Estimation", ECCV 2016).
///
/// `{ op = "key_points", coordinates = "yxs", relative = true }`: of a tensor [1, points, 3] a point in each row; the
/// letters say which number is which: `x`, `y` and `s` for the score.
///
/// The points are in pixels of the user's picture already, and the object is the box around those whose score is at
/// least `score`; its own score is their mean.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPoints {
    #[serde(default)]
    order: Order,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    coordinates: Option<Coordinates>,
    /// Whether coordinates are parts of the picture's width and height.
    #[serde(default)]
    relative: bool,
    #[serde(default)]
    score: f32,
}

/// Which number of a row is which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Coordinates {
    Xy,
    Yx,
    Xys,
    Yxs,
}

impl Coordinates {
    fn width(self) -> usize {
        match self {
            Self::Xy | Self::Yx => 2,
            Self::Xys | Self::Yxs => 3,
        }
    }
}

impl Spec for KeyPoints {
    const OP: &'static str = "key_points";
    const SUMMARY: &'static str =
        "the key points of one object, from a map for each point or from coordinates";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if self.relative && self.coordinates.is_none() {
            return Err(StepError::parameter("relative", "'coordinates' too", "true alone"));
        }
        match self.score.is_finite() {
            false => Err(StepError::parameter("score", "a finite number", self.score)),
            true => Ok(Box::new(self)),
        }
    }
}

impl Step for KeyPoints {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let Some(coordinates) = self.coordinates else {
            return Planes::infer(input, self.order).map(|_| ItemType::Objects);
        };
        let TensorType { shape, .. } = input.tensor()?;
        match shape.as_ref().and_then(|shape| *shape.last()?) {
            Some(width) if width != coordinates.width() => Err(misfit(coordinates, input)),
            _ => Ok(ItemType::Objects),
        }
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let points = match self.coordinates {
            None => peaks(&Planes::of(item, self.order)?, context),
            Some(coordinates) => {
                let ty = item.ty();
                let tensor = item.into_tensor()?;
                let count = tensor.len() / coordinates.width();
                match tensor.shape() {
                    [leading @ .., width] if *width == coordinates.width() && alone(leading, count) => {}
                    _ => return Err(misfit(coordinates, ty)),
                }
                self.listed(&tensor, coordinates, context)?
            }
        };
        Ok(Item::Objects(self.object(points).into_iter().collect()))
    }
}

impl KeyPoints {
    /// A point for each row.
    fn listed(
        &self,
        tensor: &Tensor,
        coordinates: Coordinates,
        context: &Context,
    ) -> Result<Vec<KeyPoint>, StepError> {
        let values = tensor.cast(DataType::F32, CastOptions::default())?.into_vec::<f32>()?;
        let (width, height) = match (self.relative, context.geometry) {
            (false, _) => (1.0, 1.0),
            (true, Some(geometry)) => (geometry.current.0 as f64, geometry.current.1 as f64),
            (true, None) => return Err(StepError::malformed("relative coordinates need a picture as input")),
        };
        let point = |row: &[f32]| {
            let (x, y, score) = match (coordinates, row) {
                (Coordinates::Xy, [x, y]) | (Coordinates::Yx, [y, x]) => (*x, *y, 1.0),
                (Coordinates::Xys, [x, y, score]) | (Coordinates::Yxs, [y, x, score]) => (*x, *y, *score),
                _ => return None,
            };
            let (x, y) = (f64::from(x) * width, f64::from(y) * height);
            let (x, y) = context.geometry.map_or((x, y), |geometry| geometry.undo(x, y));
            Some(KeyPoint { x: x as f32, y: y as f32, score })
        };
        Ok(values.chunks_exact(coordinates.width()).filter_map(point).collect())
    }

    /// The object that all points belong to; none without points.
    fn object(&self, key_points: Vec<KeyPoint>) -> Option<Object> {
        let sure: Vec<_> = key_points.iter().filter(|point| point.score >= self.score).collect();
        let corners =
            sure.iter().map(|point| [point.x, point.y]).filter(|[x, y]| x.is_finite() && y.is_finite());
        let [x1, y1, x2, y2] = Region::Polygon(corners.collect()).bounds();
        let sum: f32 = sure.iter().map(|point| point.score).sum();
        let score = if sure.is_empty() { 0.0 } else { sum / sure.len() as f32 };
        let found = !key_points.is_empty();
        found.then(|| Object { key_points, ..Object::new(Region::Box { x1, y1, x2, y2 }, score) })
    }
}

/// Whether all axes but one, that of the points, are 1.
fn alone(leading: &[usize], count: usize) -> bool {
    let mut others = leading.iter().filter(|size| **size != 1);
    others.next().is_none_or(|size| *size == count) && others.next().is_none()
}

fn misfit(coordinates: Coordinates, got: impl std::fmt::Display) -> StepError {
    StepError::kind(format!("a tensor [1, points, {}]", coordinates.width()), got)
}

/// The place of the largest number of each plane.
fn peaks(planes: &Planes, context: &Context) -> Vec<KeyPoint> {
    let sizes = planes.sizes();
    let projection = Projection::of(sizes.width, sizes.height, context);
    let peak = |plane: &[f32]| {
        let (index, score) = largest(plane)?;
        let (column, row) = (index % sizes.width, index / sizes.width);
        let (right, down) = quarter(plane, sizes, column, row);
        let (x, y) = projection.to_user(column as f64 + 0.5 + right, row as f64 + 0.5 + down);
        Some(KeyPoint { x: x as f32, y: y as f32, score })
    };
    planes.iter().filter_map(peak).collect()
}

/// A quarter of a pixel towards the larger neighbour, along each axis.
fn quarter(plane: &[f32], sizes: Sizes, column: usize, row: usize) -> (f64, f64) {
    let at = |column: Option<usize>, row: Option<usize>| {
        let (column, row) = column.zip(row).filter(|(x, y)| *x < sizes.width && *y < sizes.height)?;
        plane.get(row * sizes.width + column).copied()
    };
    let towards = |before: Option<f32>, after: Option<f32>| match before.zip(after) {
        Some((before, after)) if after > before => 0.25,
        Some((before, after)) if after < before => -0.25,
        _ => 0.0,
    };
    let (x, y) = (Some(column), Some(row));
    (
        towards(at(column.checked_sub(1), y), at(column.checked_add(1), y)),
        towards(at(x, row.checked_sub(1)), at(x, row.checked_add(1))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Geometry, NoFiles};

    fn points(parameters: &str, tensor: Tensor) -> Result<Vec<Object>, StepError> {
        let spec: KeyPoints = toml::from_str(parameters).unwrap();
        let step = spec.build(&NoFiles)?;
        let mut geometry = Geometry::identity(80, 40);
        geometry.resized(40, 20);
        let item = Item::Tensor(tensor);
        step.infer(&item.ty())?;
        match step.apply(item, &mut Context { geometry: Some(geometry), ..Context::default() })? {
            Item::Objects(objects) => Ok(objects),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_peak_of_a_map_leans_to_its_larger_neighbour() {
        let mut map = vec![0.0f32; 2 * 8];
        (map[2], map[3]) = (0.9, 0.5);
        map[8] = 0.3;
        let objects = points("", Tensor::from_vec(&[1, 2, 2, 4], map).unwrap()).unwrap();
        // A pixel of the map is 20 pixels of the picture.
        let expected = [KeyPoint { x: 55.0, y: 10.0, score: 0.9 }, KeyPoint { x: 10.0, y: 10.0, score: 0.3 }];
        assert_eq!(objects[0].key_points, expected);
        assert_eq!(objects[0].region.bounds(), [10.0, 10.0, 55.0, 10.0]);
        assert!((objects[0].score - 0.6).abs() < 1e-6);
    }

    #[test]
    fn coordinates_are_read_by_their_letters() {
        let rows = Tensor::from_vec(&[1, 1, 2, 3], vec![0.5f32, 0.25, 0.9, 1.0, 1.0, 0.1]).unwrap();
        let objects = points("coordinates = 'yxs'\nrelative = true\nscore = 0.5", rows.clone()).unwrap();
        let expected = [KeyPoint { x: 20.0, y: 20.0, score: 0.9 }, KeyPoint { x: 80.0, y: 40.0, score: 0.1 }];
        assert_eq!(objects[0].key_points, expected);
        assert_eq!((objects[0].score, objects[0].region.bounds()), (0.9, [20.0; 4]));
        assert!(points("coordinates = 'xy'", rows).is_err());
        let several = Tensor::from_vec(&[2, 2, 2], vec![0.0f32; 8]).unwrap();
        assert!(points("coordinates = 'xy'", several).is_err());
        let none = Tensor::from_vec(&[1, 0, 2], Vec::<f32>::new()).unwrap();
        assert_eq!(points("coordinates = 'xy'", none).unwrap(), []);
        assert!(points("relative = true", Tensor::from_vec(&[1, 1], vec![0.0f32]).unwrap()).is_err());
    }
}
