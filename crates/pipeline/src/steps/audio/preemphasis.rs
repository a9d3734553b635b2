//! `preemphasis`: high frequencies are raised by subtracting from each sample a part of the one before.

use serde::{Deserialize, Serialize};

use super::channels::{audio_type, each_channel};
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError};

/// `{ op = "preemphasis", coefficient = 0.97 }`, as `torchaudio.functional.preemphasis`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preemphasis {
    coefficient: f64,
    #[serde(default)]
    first: First,
}

/// What stands before the first sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum First {
    /// Silence: the first sample is kept.
    #[default]
    Keep,
    /// The first sample itself, as in Kaldi.
    Repeat,
}

impl Spec for Preemphasis {
    const OP: &'static str = "preemphasis";
    const SUMMARY: &'static str = "high frequencies of a recording are raised";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if !(0.0..=1.0).contains(&self.coefficient) {
            return Err(StepError::parameter("coefficient", "0 to 1", self.coefficient));
        }
        Ok(Box::new(self))
    }
}

impl Step for Preemphasis {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        audio_type(input)?;
        Ok(input.clone())
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        each_channel(item, |_, channel| {
            let mut previous = match self.first {
                First::Keep => 0.0,
                First::Repeat => channel.first().copied().unwrap_or_default(),
            };
            for sample in channel {
                let raised = f64::from(*sample) - self.coefficient * f64::from(previous);
                previous = std::mem::replace(sample, raised as f32);
            }
        })
    }
}
