//! `inverse_scale`: a model that was trained on scaled numbers gives such numbers; here they get their units back.

use serde::{Deserialize, Serialize};

use super::per_number::{PerColumn, pairs};
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError};

/// `{ op = "inverse_scale", mean = [310.0], std = [85.2] }` undoes `z_score`, `{ op = "inverse_scale", min = [12.0],
/// max = [970.0] }` undoes `min_max` (to `range = [0, 1]`); one number for all columns or one for each.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InverseScale {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mean: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    std: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<Vec<f64>>,
    #[serde(default = "unit")]
    range: [f64; 2],
}

fn unit() -> [f64; 2] {
    [0.0, 1.0]
}

impl Spec for InverseScale {
    const OP: &'static str = "inverse_scale";
    const SUMMARY: &'static str = "scaled numbers get their units back, as before z_score or min_max";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let lines = match (&self.mean, &self.std, &self.min, &self.max) {
            (Some(mean), Some(std), None, None) => pairs(("mean", mean), ("std", std))?,
            (None, None, Some(min), Some(max)) => {
                let [low, high] = self.range;
                if !(low < high && (high - low).is_finite()) {
                    let got = format!("{low}, {high}");
                    return Err(StepError::parameter("range", "a smaller and a larger number", got));
                }
                let line = |(min, max): (f64, f64)| {
                    let factor = (max - min) / (high - low);
                    (min - low * factor, factor)
                };
                pairs(("min", min), ("max", max))?.into_iter().map(line).collect()
            }
            _ => {
                let expected = "either 'mean' and 'std' or 'min' and 'max'";
                return Err(StepError::parameter("mean", expected, "others"));
            }
        };
        Ok(Box::new(Lines(PerColumn::new("mean", lines)?)))
    }
}

/// Offset and factor of each column.
#[derive(Debug)]
struct Lines(PerColumn<(f64, f64)>);

impl Step for Lines {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        self.0.infer(input)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        self.0.map(item, |(offset, factor), value| value * factor + offset)
    }
}
