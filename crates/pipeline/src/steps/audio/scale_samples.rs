//! `scale_samples`: all samples are multiplied by a number.

use serde::{Deserialize, Serialize};

use super::channels::{audio_type, each_channel};
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError};

/// `{ op = "scale_samples", by = 32767 }`, for models that want the range of 16-bit integers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleSamples {
    by: f64,
    /// Whether they become whole numbers, halves rounded to even ones.
    #[serde(default)]
    round: bool,
}

impl Spec for ScaleSamples {
    const OP: &'static str = "scale_samples";
    const SUMMARY: &'static str = "all samples of a recording are multiplied by a number";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if !self.by.is_finite() {
            return Err(StepError::parameter("by", "a finite number", self.by));
        }
        Ok(Box::new(self))
    }
}

impl Step for ScaleSamples {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        audio_type(input)?;
        Ok(input.clone())
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        each_channel(item, |_, channel| {
            for sample in channel {
                let scaled = f64::from(*sample) * self.by;
                *sample = if self.round { scaled.round_ties_even() } else { scaled } as f32;
            }
        })
    }
}
