//! `decode_audio`: the content of a file becomes a recording.

use serde::{Deserialize, Serialize};

use super::wav;
use crate::{Audio, AudioFacts, Context, Files, Item, ItemType, Spec, Step, StepError};

/// `{ op = "decode_audio" }`; a recording that is decoded already passes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecodeAudio {
    /// The longest recording that is taken.
    #[serde(default = "an_hour")]
    max_seconds: u32,
}

fn an_hour() -> u32 {
    3600
}

impl Spec for DecodeAudio {
    const OP: &'static str = "decode_audio";
    const SUMMARY: &'static str = "the content of a WAVE file becomes a recording";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        match self.max_seconds {
            0 => Err(StepError::parameter("max_seconds", "at least 1", 0)),
            _ => Ok(Box::new(self)),
        }
    }
}

impl Step for DecodeAudio {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        match input {
            ItemType::Audio { .. } => Ok(input.clone()),
            ItemType::Bytes => Ok(ItemType::Audio { rate: None, channels: None }),
            other => Err(StepError::kind("a WAVE file or a recording", other)),
        }
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let audio: Audio = match item {
            Item::Audio(audio) => audio,
            Item::Bytes(bytes) => wav::read(&bytes, self.max_seconds)?,
            other => return Err(StepError::kind("a WAVE file or a recording", other.ty())),
        };
        context.audio = Some(AudioFacts::of(&audio));
        Ok(Item::Audio(audio))
    }
}
