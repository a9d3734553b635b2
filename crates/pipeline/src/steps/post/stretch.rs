//! `stretch`: numbers of one range go to another.

use serde::{Deserialize, Serialize};

use super::per_number::PerColumn;
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError};

/// `{ op = "stretch", from = [-1, 1], to = [0, 255], clip = true }`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    from: [f64; 2],
    to: [f64; 2],
    /// Whether numbers outside of `from` go to its ends.
    #[serde(default)]
    clip: bool,
}

impl Spec for Stretch {
    const OP: &'static str = "stretch";
    const SUMMARY: &'static str = "numbers of one range go to another";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        for (name, [a, b]) in [("from", self.from), ("to", self.to)] {
            if a == b || !(b - a).is_finite() {
                return Err(StepError::parameter(name, "two different finite numbers", format!("{a}, {b}")));
            }
        }
        let all = PerColumn::new("from", vec![self])?;
        Ok(Box::new(Ranges(all)))
    }
}

#[derive(Debug)]
struct Ranges(PerColumn<Stretch>);

impl Step for Ranges {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        self.0.infer(input)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        self.0.map(item, |Stretch { from, to, clip }, value| {
            let part = (value - from[0]) / (from[1] - from[0]);
            let part = if *clip { part.clamp(0.0, 1.0) } else { part };
            to[0] + part * (to[1] - to[0])
        })
    }
}
