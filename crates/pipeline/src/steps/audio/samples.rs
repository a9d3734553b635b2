//! `samples`: a recording becomes a tensor as it is.

use lehr_tensor::{DataType, Tensor};
use serde::{Deserialize, Serialize};

use super::channels::audio_type;
use crate::{AudioFacts, Context, Files, Item, ItemType, Spec, Step, StepError, TensorType};

/// `{ op = "samples" }`: f32 `[samples]` of a recording with one channel, otherwise `[channels, samples]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {}

impl Spec for Samples {
    const OP: &'static str = "samples";
    const SUMMARY: &'static str = "a recording becomes a tensor of its samples";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(self))
    }
}

impl Step for Samples {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let (_, channels) = audio_type(input)?;
        let shape = channels.map(|channels| match channels {
            1 => vec![None],
            _ => vec![Some(channels), None],
        });
        Ok(ItemType::Tensor(TensorType { dtype: Some(DataType::F32), shape }))
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let audio = item.into_audio()?;
        context.audio = Some(AudioFacts::of(&audio));
        let (channels, samples) = (audio.channels().len(), audio.samples());
        let shape = if channels == 1 { vec![samples] } else { vec![channels, samples] };
        Ok(Item::Tensor(Tensor::from_vec(&shape, audio.into_channels().concat())?))
    }
}
