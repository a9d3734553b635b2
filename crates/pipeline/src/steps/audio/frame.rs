//! `frame`: a recording is cut into pieces of one length.

use lehr_tensor::{DataType, Tensor};
use serde::{Deserialize, Serialize};

use super::channels::{infer_single_channel, single_channel};
use crate::steps::limit::allowed;
use crate::{AudioFacts, Context, Files, Item, ItemType, Spec, Step, StepError, TensorType};

/// `{ op = "frame", size = 512, context = 64 }`: f32 `[frames, context + size]`, each row the samples of a frame behind
/// the `context` samples before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frame {
    /// Samples of a frame.
    size: usize,
    /// Samples from the beginning of one frame to the next; `size` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hop: Option<usize>,
    /// Samples before a frame that are put in front of it; zeros before the recording.
    #[serde(default)]
    context: usize,
    #[serde(default)]
    last: Last,
}

/// What becomes of a last frame that the recording does not fill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Last {
    /// It is filled up with zeros.
    #[default]
    Pad,
    /// It is left out.
    Drop,
}

impl Spec for Frame {
    const OP: &'static str = "frame";
    const SUMMARY: &'static str = "a recording is cut into frames, each a row of a tensor";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if self.size == 0 {
            return Err(StepError::parameter("size", "at least 1", self.size));
        }
        if !(1..=self.size).contains(&self.hop()) {
            return Err(StepError::parameter("hop", format!("1 to {}", self.size), self.hop()));
        }
        allowed("samples of a frame", &[self.context.saturating_add(self.size)])?;
        Ok(Box::new(self))
    }
}

impl Frame {
    fn hop(&self) -> usize {
        self.hop.unwrap_or(self.size)
    }

    fn frames(&self, samples: usize) -> Result<usize, StepError> {
        let behind_first = samples.checked_sub(self.size);
        match (behind_first, self.last) {
            (Some(rest), Last::Pad) => Ok(rest.div_ceil(self.hop()) + 1),
            (Some(rest), Last::Drop) => Ok(rest / self.hop() + 1),
            (None, Last::Pad) => Ok(1),
            (None, Last::Drop) => Err(StepError::malformed(format!(
                "expected at least one frame of {} samples, got {samples} samples",
                self.size
            ))),
        }
    }
}

impl Step for Frame {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        infer_single_channel(input)?;
        let shape = vec![None, Some(self.context + self.size)];
        Ok(ItemType::Tensor(TensorType::new(DataType::F32, shape)))
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let audio = single_channel(item)?;
        let frames = self.frames(audio.samples())?;
        let width = self.context + self.size;
        let mut values = vec![0f32; allowed("samples of all frames", &[frames, width])?];
        for channel in audio.channels() {
            for (index, row) in values.chunks_exact_mut(width).enumerate() {
                fill(row, channel, index * self.hop(), self.context);
            }
        }
        context.audio = Some(AudioFacts { hop: self.hop(), ..AudioFacts::of(&audio) });
        Ok(Item::Tensor(Tensor::from_vec(&[frames, width], values)?))
    }
}

/// The samples from `start - before` on; what lies outside of the recording stays as it is.
fn fill(row: &mut [f32], channel: &[f32], start: usize, before: usize) {
    let missing = before.saturating_sub(start);
    let samples = channel.get(start.saturating_sub(before)..).unwrap_or_default();
    row.iter_mut().skip(missing).zip(samples).for_each(|(value, sample)| *value = *sample);
}
