//! `mono`: the mean of the channels.

use serde::{Deserialize, Serialize};

use super::channels::audio_type;
use crate::{Audio, Context, Files, Item, ItemType, Spec, Step, StepError};

/// `{ op = "mono" }`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mono {}

impl Spec for Mono {
    const OP: &'static str = "mono";
    const SUMMARY: &'static str = "the mean of the channels of a recording";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(self))
    }
}

impl Step for Mono {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let (rate, _) = audio_type(input)?;
        Ok(ItemType::Audio { rate, channels: Some(1) })
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let audio = item.into_audio()?;
        if audio.channels().len() == 1 {
            return Ok(Item::Audio(audio));
        }
        let mut sums = vec![0f64; audio.samples()];
        for channel in audio.channels() {
            sums.iter_mut().zip(channel).for_each(|(sum, sample)| *sum += f64::from(*sample));
        }
        let count = audio.channels().len() as f64;
        let means = sums.into_iter().map(|sum| (sum / count) as f32).collect();
        Ok(Item::Audio(Audio::new(audio.rate(), vec![means])?))
    }
}
