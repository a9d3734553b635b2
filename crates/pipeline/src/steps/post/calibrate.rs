//! `calibrate`: scores become probabilities that come true as often as they say.

use serde::{Deserialize, Serialize};

use super::per_number::{PerColumn, pairs};
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError};

/// `{ op = "calibrate", method = "platt", a = [-1.7], b = [0.2] }`: 1 / (1 + exp(a·x + b)) (Platt 1999), one pair for all
/// columns or one for each; `{ op = "calibrate", method = "isotonic", x = [0.1, 0.4, 0.9], y = [0.0, 0.5, 1.0] }`: linear
/// between these points, constant outside (Zadrozny and Elkan 2002).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibrate {
    method: Method,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    a: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    b: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<Vec<f64>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Method {
    Platt,
    Isotonic,
}

impl Spec for Calibrate {
    const OP: &'static str = "calibrate";
    const SUMMARY: &'static str = "scores become probabilities, by Platt's sigmoid or isotonic points";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let curves = match (self.method, &self.a, &self.b, &self.x, &self.y) {
            (Method::Platt, Some(a), Some(b), None, None) => {
                pairs(("a", a), ("b", b))?.into_iter().map(|(a, b)| Curve::Sigmoid { a, b }).collect()
            }
            (Method::Isotonic, None, None, Some(x), Some(y)) => vec![points(x, y)?],
            (Method::Platt, ..) => return Err(StepError::parameter("a", "'a' and 'b' alone", "others")),
            (Method::Isotonic, ..) => return Err(StepError::parameter("x", "'x' and 'y' alone", "others")),
        };
        Ok(Box::new(Curves(PerColumn::new("a", curves)?)))
    }
}

fn points(x: &[f64], y: &[f64]) -> Result<Curve, StepError> {
    let points = pairs(("x", x), ("y", y))?;
    if points.is_empty() || points.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
        return Err(StepError::parameter("x", "at least one number, each larger than the last", "others"));
    }
    if points.windows(2).any(|pair| pair[0].1 > pair[1].1) {
        return Err(StepError::parameter("y", "numbers that never fall", "others"));
    }
    Ok(Curve::Points(points))
}

#[derive(Debug)]
enum Curve {
    Sigmoid { a: f64, b: f64 },
    Points(Vec<(f64, f64)>),
}

impl Curve {
    fn at(&self, value: f64) -> f64 {
        match self {
            Self::Sigmoid { a, b } => 1.0 / (1.0 + (a * value + b).exp()),
            Self::Points(points) => between(points, value),
        }
    }
}

fn between(points: &[(f64, f64)], value: f64) -> f64 {
    let above = points.partition_point(|(x, _)| *x <= value);
    match (above.checked_sub(1).and_then(|below| points.get(below)), points.get(above)) {
        _ if value.is_nan() => f64::NAN,
        (Some((x, y)), Some((next_x, next_y))) => y + (next_y - y) * (value - x) / (next_x - x),
        (Some((_, y)), None) | (None, Some((_, y))) => *y,
        (None, None) => f64::NAN,
    }
}

#[derive(Debug)]
struct Curves(PerColumn<Curve>);

impl Step for Curves {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        self.0.infer(input)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        self.0.map(item, Curve::at)
    }
}
