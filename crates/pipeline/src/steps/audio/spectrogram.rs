//! `spectrogram`: the short-time Fourier transform of a recording, as magnitudes.

use lehr_tensor::{DataType, Tensor};
use serde::{Deserialize, Serialize};

use super::channels::audio_type;
use super::fourier::{Fourier, MAX_SIZE};
use super::window::Window;
use crate::steps::limit::allowed;
use crate::{AudioFacts, Context, Files, Item, ItemType, Spec, Step, StepError, TensorType};

/// `{ op = "spectrogram", n_fft = 400, hop = 160 }`: f32 `[n_fft / 2 + 1, frames]` of a recording with one channel,
/// otherwise `[channels, n_fft / 2 + 1, frames]`, as `torchaudio.transforms.Spectrogram`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spectrogram {
    /// Samples that are transformed together.
    n_fft: usize,
    /// Samples from one frame to the next.
    hop: usize,
    /// Length of the window, which stands in the middle of the frame; `n_fft` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    win_length: Option<usize>,
    #[serde(default)]
    window: Window,
    #[serde(default = "yes")]
    periodic: bool,
    /// Whether the first frame has its middle at the first sample; otherwise it begins there.
    #[serde(default = "yes")]
    center: bool,
    #[serde(default)]
    pad_mode: PadMode,
    /// 1 for magnitudes, 2 for their squares.
    #[serde(default = "two")]
    power: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    normalized: Option<Normalized>,
}

/// What stands before and behind the recording where frames are centred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PadMode {
    /// The recording backwards, without its edge.
    #[default]
    Reflect,
    /// Silence.
    Constant,
    /// The first and the last sample.
    Replicate,
}

/// What the spectrum is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Normalized {
    /// The root of the sum of the window's squares.
    Window,
    /// The root of `n_fft`.
    FrameLength,
}

fn yes() -> bool {
    true
}

fn two() -> u8 {
    2
}

impl Spec for Spectrogram {
    const OP: &'static str = "spectrogram";
    const SUMMARY: &'static str = "the magnitudes of a recording's short-time Fourier transform";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if !(2..=MAX_SIZE).contains(&self.n_fft) || self.n_fft % 2 == 1 {
            let expected = format!("an even number from 2 to {MAX_SIZE}");
            return Err(StepError::parameter("n_fft", expected, self.n_fft));
        }
        if self.hop == 0 {
            return Err(StepError::parameter("hop", "at least 1", self.hop));
        }
        let win_length = self.win_length.unwrap_or(self.n_fft);
        if !(1..=self.n_fft).contains(&win_length) {
            return Err(StepError::parameter("win_length", format!("1 to {}", self.n_fft), win_length));
        }
        if !matches!(self.power, 1 | 2) {
            return Err(StepError::parameter("power", "1 or 2", self.power));
        }
        let window = self.window.values(win_length, self.periodic);
        let energy: f64 = window.iter().map(|weight| weight * weight).sum();
        let divisor = match self.normalized {
            None => 1.0,
            Some(Normalized::Window) => energy,
            Some(Normalized::FrameLength) => self.n_fft as f64,
        };
        if divisor == 0.0 {
            return Err(StepError::parameter(
                "win_length",
                "a window that is not zero everywhere",
                win_length,
            ));
        }
        let mut centred = vec![0.0; self.n_fft];
        let before = (self.n_fft - win_length) / 2;
        centred[before..before + win_length].copy_from_slice(&window);
        let padding = if self.center { self.n_fft / 2 } else { 0 };
        Ok(Box::new(Transform { divisor, fourier: Fourier::new(centred), padding, spec: self }))
    }
}

/// The step with its plan.
#[derive(Debug)]
struct Transform {
    spec: Spectrogram,
    fourier: Fourier,
    /// Samples put in front and behind.
    padding: usize,
    /// Of squared magnitudes.
    divisor: f64,
}

impl Step for Transform {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let (_, channels) = audio_type(input)?;
        let bins = Some(self.fourier.bins());
        let shape = channels.map(|channels| match channels {
            1 => vec![bins, None],
            _ => vec![Some(channels), bins, None],
        });
        Ok(ItemType::Tensor(TensorType { dtype: Some(DataType::F32), shape }))
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let audio = item.into_audio()?;
        context.audio = Some(AudioFacts { hop: self.spec.hop, ..AudioFacts::of(&audio) });
        let (bins, frames) = (self.fourier.bins(), self.frames(audio.samples())?);
        let channels = audio.channels().len();
        let mut values = vec![0f32; allowed("numbers of the spectrogram", &[channels, bins, frames])?];
        for (channel, matrix) in audio.channels().iter().zip(values.chunks_exact_mut(bins * frames)) {
            self.transform(&self.padded(channel)?, frames, matrix);
        }
        let shape = if channels == 1 { vec![bins, frames] } else { vec![channels, bins, frames] };
        Ok(Item::Tensor(Tensor::from_vec(&shape, values)?))
    }
}

impl Transform {
    fn frames(&self, samples: usize) -> Result<usize, StepError> {
        let behind_first = (samples + 2 * self.padding).checked_sub(self.spec.n_fft);
        behind_first.map(|rest| rest / self.spec.hop + 1).ok_or_else(|| {
            let n_fft = self.spec.n_fft;
            StepError::malformed(format!("expected at least n_fft = {n_fft} samples, got {samples}"))
        })
    }

    fn padded(&self, channel: &[f32]) -> Result<Vec<f32>, StepError> {
        let (padding, samples) = (self.padding, channel.len());
        if self.spec.pad_mode == PadMode::Reflect && samples <= padding && padding > 0 {
            return Err(StepError::malformed(format!(
                "expected more than {padding} samples (n_fft / 2) to be reflected, got {samples}"
            )));
        }
        let outside = |distance: usize, from_end: bool| match self.spec.pad_mode {
            PadMode::Constant => 0.0,
            PadMode::Reflect if from_end => channel[samples - 1 - distance],
            PadMode::Reflect => channel[distance],
            PadMode::Replicate if from_end => channel[samples - 1],
            PadMode::Replicate => channel[0],
        };
        let before = (1..=padding).rev().map(|distance| outside(distance, false));
        let behind = (1..=padding).map(|distance| outside(distance, true));
        Ok(before.chain(channel.iter().copied()).chain(behind).collect())
    }

    /// Writes one column for each frame.
    fn transform(&self, padded: &[f32], frames: usize, matrix: &mut [f32]) {
        let mut workspace = self.fourier.workspace();
        for frame in 0..frames {
            let samples = padded.iter().skip(frame * self.spec.hop).map(|sample| f64::from(*sample));
            let column = matrix[frame..].iter_mut().step_by(frames);
            for (value, power) in column.zip(self.fourier.powers(samples, &mut workspace)) {
                let power = power / self.divisor;
                *value = if self.spec.power == 1 { power.sqrt() as f32 } else { power as f32 };
            }
        }
    }
}
