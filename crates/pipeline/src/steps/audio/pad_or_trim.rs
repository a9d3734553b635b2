//! `pad_or_trim`: a recording of one length, whatever it was.

use serde::{Deserialize, Serialize};

use super::channels::audio_type;
use crate::steps::limit::allowed;
use crate::{Audio, AudioFacts, Context, Files, Item, ItemType, Spec, Step, StepError};

/// `{ op = "pad_or_trim", seconds = 30 }` or `{ op = "pad_or_trim", samples = 480000 }`: silence is added at the end, or the
/// end is cut off.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PadOrTrim {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    samples: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}

#[derive(Debug)]
enum Length {
    Samples(usize),
    Seconds(f64),
}

impl Spec for PadOrTrim {
    const OP: &'static str = "pad_or_trim";
    const SUMMARY: &'static str = "a recording is padded with silence or cut to one length";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        match (self.samples, self.seconds) {
            (Some(0), None) => Err(StepError::parameter("samples", "at least 1", 0)),
            (Some(samples), None) => {
                allowed("samples of the recording", &[samples])?;
                Ok(Box::new(Length::Samples(samples)))
            }
            (None, Some(seconds)) if seconds > 0.0 && seconds.is_finite() => {
                Ok(Box::new(Length::Seconds(seconds)))
            }
            (None, Some(seconds)) => Err(StepError::parameter("seconds", "a number above 0", seconds)),
            _ => Err(StepError::parameter("samples", "either 'samples' or 'seconds'", "both or none")),
        }
    }
}

impl Step for Length {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        audio_type(input)?;
        Ok(input.clone())
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let audio = item.into_audio()?;
        let samples = match self {
            Self::Samples(samples) => *samples,
            // The cast saturates, which `allowed` refuses.
            Self::Seconds(seconds) => (seconds * f64::from(audio.rate())).round() as usize,
        };
        allowed("samples of the recording", &[samples, audio.channels().len()])?;
        let rate = audio.rate();
        let mut channels = audio.into_channels();
        channels.iter_mut().for_each(|channel| channel.resize(samples, 0.0));
        let audio = Audio::new(rate, channels)?;
        context.audio = Some(AudioFacts::of(&audio));
        Ok(Item::Audio(audio))
    }
}
