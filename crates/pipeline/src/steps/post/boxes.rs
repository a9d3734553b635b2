//! `boxes`: objects from the numbers that a detector gives.

use lehr_tensor::{CastOptions, DataType, Tensor};
use serde::{Deserialize, Serialize};

use super::rows::{descending, largest};
use super::sigmoid::sigmoid;
use super::softmax::softmax;
use crate::{Class, Context, Files, Item, ItemType, Object, Region, Spec, Step, StepError, TensorType};

/// The most objects that a step gives.
const MAX_OBJECTS: usize = 1 << 20;

/// Objects in pixels of the model's picture, the surest first.
///
/// Of an output with several tensors, `boxes` [1, n, 4] and `scores` [1, n, classes], and if they are there
/// `objectness` [1, n, 1], by which scores are multiplied, or `classes` [1, n], the class of each box where the detector
/// chose already and `scores` is [1, n]:
///
/// `{ op = "boxes", format = "xyxy", score = 0.5 }`
///
/// Of a single tensor [1, n, 4 + classes], or [1, 4 + classes, n] with `columns = true`; with `objectness = true` a
/// number between the box and the classes says whether there is anything:
///
/// `{ op = "boxes", format = "cxcywh", columns = true }`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boxes {
    format: Format,
    /// Whether positions are parts of the picture's width and height.
    #[serde(default)]
    relative: bool,
    /// Objects below this are dropped.
    #[serde(default = "default_score")]
    score: f32,
    /// What makes probabilities of the scores.
    #[serde(default)]
    activation: Activation,
    /// The class that stands for nothing; counted from the end where it is negative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    background: Option<i64>,
    /// Whether a box may be an object of several classes.
    #[serde(default)]
    multi_label: bool,
    /// Whether a single tensor has a box in each column.
    #[serde(default)]
    columns: bool,
    /// Whether a single tensor has a number for whether there is anything.
    #[serde(default)]
    objectness: bool,
}

fn default_score() -> f32 {
    0.25
}

/// What the four numbers of a box are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// Left, upper, right and lower edge.
    Xyxy,
    /// Upper, left, lower and right edge.
    Yxyx,
    /// Left and upper edge, width and height.
    Xywh,
    /// Centre, width and height.
    Cxcywh,
}

/// What makes probabilities of the scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Activation {
    /// They are probabilities.
    #[default]
    None,
    Sigmoid,
    Softmax,
}

impl Spec for Boxes {
    const OP: &'static str = "boxes";
    const SUMMARY: &'static str =
        "objects from a detector's boxes and scores, in pixels of the model's picture";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        match self.score.is_finite() {
            false => Err(StepError::parameter("score", "a finite number", self.score)),
            true => Ok(Box::new(self)),
        }
    }
}

impl Step for Boxes {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        match input {
            ItemType::Tensor(TensorType { shape: Some(shape), .. }) => {
                let axes = match shape.as_slice() {
                    [_, rows, columns] | [rows, columns] => [*rows, *columns],
                    _ => return Err(StepError::kind("a tensor [1, boxes, numbers]", input)),
                };
                let width = axes[usize::from(!self.columns)];
                width.map_or(Ok(()), |width| self.check_width(width))?;
            }
            ItemType::Tensor(_) => {}
            ItemType::Tensors(tensors) => {
                for name in ["boxes", "scores"] {
                    let is_there = tensors.iter().any(|(there, _)| there == name);
                    input.demand(&format!("a tensor '{name}'"), is_there)?;
                }
            }
            _ => return Err(StepError::kind("a tensor or tensors", input)),
        }
        Ok(ItemType::Objects)
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let detections = match item {
            Item::Tensors(tensors) => Detections::of_several(&tensors)?,
            item => self.of_single(item)?,
        };
        let size = match (self.relative, context.geometry) {
            (false, _) => (1.0, 1.0),
            (true, Some(geometry)) => (geometry.current.0 as f32, geometry.current.1 as f32),
            (true, None) => return Err(StepError::malformed("relative boxes need a picture as input")),
        };
        let mut objects = Vec::new();
        for index in 0..detections.boxes.len() / 4 {
            let region = self.region(&detections.boxes[index * 4..index * 4 + 4], size);
            let Some(region) = region else { continue };
            for class in self.classes(&detections, index) {
                if objects.len() == MAX_OBJECTS {
                    let got = objects.len() as u64 + 1;
                    return Err(StepError::TooLarge { what: "objects", limit: MAX_OBJECTS as u64, got });
                }
                let score = class.score;
                objects.push(Object { class: Some(class), ..Object::new(region.clone(), score) });
            }
        }
        objects.sort_by(|a, b| descending(a.score, b.score));
        Ok(Item::Objects(objects))
    }
}

impl Boxes {
    /// The box with its edges in order; `None` where a number is not finite.
    fn region(&self, numbers: &[f32], (width, height): (f32, f32)) -> Option<Region> {
        let [a, b, c, d] = <[f32; 4]>::try_from(numbers).ok()?;
        let [x1, y1, x2, y2] = match self.format {
            Format::Xyxy => [a, b, c, d],
            Format::Yxyx => [b, a, d, c],
            Format::Xywh => [a, b, a + c, b + d],
            Format::Cxcywh => [a - c / 2.0, b - d / 2.0, a + c / 2.0, b + d / 2.0],
        };
        let edges = [x1 * width, y1 * height, x2 * width, y2 * height];
        let [x1, y1, x2, y2] = edges;
        let region = Region::Box { x1: x1.min(x2), y1: y1.min(y2), x2: x1.max(x2), y2: y1.max(y2) };
        edges.iter().all(|edge| edge.is_finite()).then_some(region)
    }

    /// What the box may be.
    fn classes(&self, detections: &Detections, index: usize) -> Vec<Class> {
        let background = self.background_of(detections.classes);
        let start = index * detections.classes;
        let mut scores = detections.scores[start..start + detections.classes].to_vec();
        match self.activation {
            Activation::None => {}
            Activation::Sigmoid => scores.iter_mut().for_each(|score| *score = sigmoid(*score)),
            Activation::Softmax => softmax(&mut scores),
        }
        if let Some(objectness) = detections.objectness.get(index) {
            let certainty = match self.activation {
                Activation::Sigmoid => sigmoid(*objectness),
                _ => *objectness,
            };
            scores.iter_mut().for_each(|score| *score *= certainty);
        }
        if let Some(background) = background.and_then(|background| scores.get_mut(background)) {
            *background = f32::NEG_INFINITY;
        }
        let sure = |(index, score): &(usize, f32)| *score >= self.score && Some(*index) != background;
        let class = |(index, score)| Class { index, score, label: None };
        if let Some(chosen) = detections.chosen.get(index) {
            let chosen = usize::try_from(*chosen).ok().zip(scores.first().copied());
            return chosen.filter(sure).map(class).into_iter().collect();
        }
        match self.multi_label {
            true => scores.into_iter().enumerate().filter(sure).map(class).collect(),
            false => largest(&scores).filter(sure).map(class).into_iter().collect(),
        }
    }

    fn background_of(&self, classes: usize) -> Option<usize> {
        let background = self.background?;
        usize::try_from(background).ok().or_else(|| {
            let from_end = usize::try_from(background.unsigned_abs()).ok()?;
            classes.checked_sub(from_end)
        })
    }

    fn check_width(&self, width: usize) -> Result<(), StepError> {
        let least = 5 + usize::from(self.objectness);
        if width >= least {
            return Ok(());
        }
        Err(StepError::malformed(format!("expected at least {least} numbers for each box, got {width}")))
    }

    /// A single tensor, a box in each row or column.
    fn of_single(&self, item: Item) -> Result<Detections, StepError> {
        let ty = item.ty();
        let tensor = item.into_tensor()?;
        let [rows, columns] = match *tensor.shape() {
            [1, rows, columns] | [rows, columns] => [rows, columns],
            _ => return Err(StepError::kind("a tensor [1, boxes, numbers]", ty)),
        };
        let (count, width) = if self.columns { (columns, rows) } else { (rows, columns) };
        self.check_width(width)?;
        let values = numbers(&tensor)?;
        let at = |index: usize, number: usize| match self.columns {
            true => values.get(number * count + index),
            false => values.get(index * width + number),
        };
        let part = |from: usize, to: usize| -> Vec<f32> {
            let indices = (0..count).flat_map(|index| (from..to).map(move |number| (index, number)));
            indices.filter_map(|(index, number)| at(index, number).copied()).collect()
        };
        let first = 4 + usize::from(self.objectness);
        Ok(Detections {
            boxes: part(0, 4),
            objectness: part(4, first),
            scores: part(first, width),
            classes: width - first,
            chosen: Vec::new(),
        })
    }
}

/// What a detector says of each box.
struct Detections {
    /// Four numbers of each.
    boxes: Vec<f32>,
    /// One number of each, or none at all.
    objectness: Vec<f32>,
    /// A number of each and every class.
    scores: Vec<f32>,
    classes: usize,
    /// The class of each, or none at all.
    chosen: Vec<i64>,
}

impl Detections {
    /// Tensors by name.
    fn of_several(tensors: &[(String, Tensor)]) -> Result<Self, StepError> {
        let get = |name: &str| tensors.iter().find(|(there, _)| there == name).map(|(_, tensor)| tensor);
        let demand = |name: &str| {
            get(name).ok_or_else(|| StepError::malformed(format!("there is no tensor '{name}'")))
        };
        let (boxes, scores) = (demand("boxes")?, demand("scores")?);
        let count = match *boxes.shape() {
            [1, count, 4] | [count, 4] | [1, count, 1, 4] => count,
            _ => return Err(misshapen("boxes", "[1, n, 4]", boxes)),
        };
        let one_each = |name: &str, tensor: &Tensor| match tensor.len() == count {
            true => Ok(()),
            false => Err(misshapen(name, &format!("[1, {count}]"), tensor)),
        };
        let chosen = match get("classes") {
            None => Vec::new(),
            Some(classes) => {
                one_each("classes", classes)?;
                // Some detectors give classes as floating-point numbers.
                classes.cast(DataType::I64, CastOptions::default())?.into_vec::<i64>()?
            }
        };
        let classes = match *scores.shape() {
            [1, rows, classes] | [rows, classes] if rows == count && get("classes").is_none() => classes,
            _ => one_each("scores", scores).map(|()| 1)?,
        };
        let objectness = match get("objectness") {
            None => Vec::new(),
            Some(objectness) => one_each("objectness", objectness).and_then(|()| numbers(objectness))?,
        };
        Ok(Self { boxes: numbers(boxes)?, objectness, scores: numbers(scores)?, classes, chosen })
    }
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>, StepError> {
    Ok(tensor.cast(DataType::F32, CastOptions::default())?.into_vec::<f32>()?)
}

fn misshapen(name: &str, expected: &str, tensor: &Tensor) -> StepError {
    StepError::malformed(format!("tensor '{name}': expected {expected}, got {:?}", tensor.shape()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Geometry, NoFiles};

    fn boxes(parameters: &str, item: Item) -> Result<Vec<Object>, StepError> {
        let spec: Boxes = toml::from_str(parameters).unwrap();
        let step = spec.build(&NoFiles).unwrap();
        step.infer(&item.ty())?;
        let geometry = Some(Geometry::identity(100, 50));
        match step.apply(item, &mut Context { geometry, ..Context::default() })? {
            Item::Objects(objects) => Ok(objects),
            other => panic!("{other:?}"),
        }
    }

    fn tensor(shape: &[usize], values: &[f32]) -> Tensor {
        Tensor::from_slice(shape, values).unwrap()
    }

    fn summary(objects: &[Object]) -> Vec<([f32; 4], usize, f32)> {
        let class = |object: &Object| object.class.as_ref().unwrap().index;
        objects.iter().map(|object| (object.region.bounds(), class(object), object.score)).collect()
    }

    #[test]
    fn every_format_gives_the_same_box() {
        let expected = vec![([10.0, 20.0, 30.0, 40.0], 1, 0.75)];
        for (format, numbers) in [
            ("xyxy", [10.0, 20.0, 30.0, 40.0]),
            ("yxyx", [20.0, 10.0, 40.0, 30.0]),
            ("xywh", [10.0, 20.0, 20.0, 20.0]),
            ("cxcywh", [20.0, 30.0, 20.0, 20.0]),
        ] {
            let values = [&numbers[..], &[0.5, 0.75]].concat();
            for (columns, shape) in [(false, [1, 1, 6]), (true, [1, 6, 1])] {
                let parameters = format!("format = '{format}'\ncolumns = {columns}");
                let objects = boxes(&parameters, Item::Tensor(tensor(&shape, &values))).unwrap();
                assert_eq!(summary(&objects), expected, "{format}");
            }
        }
        let values = [0.1, 0.4, 0.3, 0.8, 0.5, 0.75];
        let relative =
            boxes("format = 'xyxy'\nrelative = true", Item::Tensor(tensor(&[1, 6], &values))).unwrap();
        let near = relative[0].region.bounds().iter().zip(expected[0].0).all(|(a, b)| (a - b).abs() < 1e-4);
        assert!(near, "{relative:?}");
    }

    #[test]
    fn scores_are_multiplied_by_objectness_and_the_background_is_no_object() {
        let values = [0.0, 0.0, 1.0, 1.0, 0.5, 0.9, 0.8, 0.6];
        let item = Item::Tensor(tensor(&[1, 1, 8], &values));
        let parameters = "format = 'xyxy'\nobjectness = true\nscore = 0.3\nmulti_label = true\nbackground = ";
        let classes = |background: &str| {
            let objects = boxes(&format!("{parameters}{background}"), item.clone()).unwrap();
            summary(&objects).iter().map(|(_, class, _)| *class).collect::<Vec<_>>()
        };
        assert_eq!(classes("0"), [1, 2]);
        assert_eq!(classes("-1"), [0, 1]);
        assert_eq!(classes("7"), [0, 1, 2]);
        assert_eq!(classes("-7"), [0, 1, 2]);
    }

    #[test]
    fn several_tensors_are_taken_by_name() {
        let named = |list: &[(&str, Tensor)]| {
            Item::Tensors(list.iter().map(|(name, tensor)| (name.to_string(), tensor.clone())).collect())
        };
        let rectangles = tensor(&[1, 2, 4], &[0.0, 0.0, 5.0, 5.0, 9.0, 9.0, 1.0, 1.0]);
        let logits = ("scores", tensor(&[1, 2, 2], &[0.0, 2.0, 9.0, 0.0]));
        let objects =
            boxes("format = 'xyxy'\nactivation = 'softmax'", named(&[("boxes", rectangles.clone()), logits]));
        let objects = summary(&objects.unwrap());
        assert_eq!((objects[0].0, objects[0].1, objects[1].1), ([1.0, 1.0, 9.0, 9.0], 0, 1));
        let chosen = [
            ("boxes", rectangles.clone()),
            ("classes", tensor(&[1, 2], &[7.0, -1.0])),
            ("scores", tensor(&[1, 2], &[0.5, 0.9])),
        ];
        let objects = summary(&boxes("format = 'yxyx'", named(&chosen)).unwrap());
        assert_eq!(objects, [([0.0, 0.0, 5.0, 5.0], 7, 0.5)]);
        let short = named(&[("boxes", rectangles), ("scores", tensor(&[1, 3], &[0.0; 3]))]);
        assert_eq!(
            boxes("format = 'xyxy'", short).unwrap_err().to_string(),
            "tensor 'scores': expected [1, 2], got [1, 3]"
        );
    }

    #[test]
    fn boxes_that_are_not_finite_and_scores_that_are_none_are_dropped() {
        let values =
            [f32::NAN, 0.0, 1.0, 1.0, 0.9, 0.0, 0.0, 1.0, 1.0, f32::NAN, 0.0, 0.0, f32::INFINITY, 1.0, 0.9];
        assert_eq!(boxes("format = 'xyxy'", Item::Tensor(tensor(&[3, 5], &values))).unwrap(), []);
    }
}
