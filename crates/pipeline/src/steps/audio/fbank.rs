//! `fbank`: Kaldi's logarithmic mel bands.

use lehr_tensor::{DataType, Tensor};
use serde::{Deserialize, Serialize};

use super::channels::{infer_single_channel, single_channel};
use super::fourier::{Fourier, MAX_SIZE};
use super::mel::MAX_MELS;
use super::mel_filters::{Scale, evenly, triangles};
use super::spectra::SparseRow;
use super::window::Window;
use crate::steps::limit::allowed;
use crate::{Audio, AudioFacts, Context, Files, Item, ItemType, Spec, Step, StepError, TensorType};

/// `{ op = "fbank", n_mels = 80 }`: f32 `[frames, n_mels]` of a recording with one channel, as
/// `torchaudio.compliance.kaldi.fbank`. Kaldi's samples range from -32768 to 32767 (step `scale_samples`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fbank {
    n_mels: usize,
    #[serde(default = "frame_ms")]
    frame_ms: f64,
    #[serde(default = "hop_ms")]
    hop_ms: f64,
    /// In Hz.
    #[serde(default = "f_min")]
    f_min: f64,
    /// In Hz; half the sample rate without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    f_max: Option<f64>,
    #[serde(default = "preemphasis")]
    preemphasis: f64,
    #[serde(default = "povey")]
    window: Window,
    /// Whether the mean of each frame is taken off.
    #[serde(default = "yes")]
    remove_dc_offset: bool,
    /// Whether frames lie inside the recording; otherwise it is mirrored at its ends.
    #[serde(default = "yes")]
    snip_edges: bool,
    #[serde(default = "yes")]
    log: bool,
}

fn frame_ms() -> f64 {
    25.0
}

fn hop_ms() -> f64 {
    10.0
}

fn f_min() -> f64 {
    20.0
}

fn preemphasis() -> f64 {
    0.97
}

fn povey() -> Window {
    Window::Povey
}

fn yes() -> bool {
    true
}

impl Spec for Fbank {
    const OP: &'static str = "fbank";
    const SUMMARY: &'static str = "Kaldi's logarithmic mel bands of a recording";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if !(1..=MAX_MELS).contains(&self.n_mels) {
            return Err(StepError::parameter("n_mels", format!("1 to {MAX_MELS}"), self.n_mels));
        }
        for (name, value) in [("frame_ms", self.frame_ms), ("hop_ms", self.hop_ms)] {
            if !(value > 0.0 && value <= 1e6) {
                return Err(StepError::parameter(name, "a number above 0, at most 1e6", value));
            }
        }
        if !(self.f_min >= 0.0 && self.f_min.is_finite()) {
            return Err(StepError::parameter("f_min", "a number of at least 0", self.f_min));
        }
        if let Some(f_max) = self.f_max.filter(|f_max| !(*f_max > self.f_min && f_max.is_finite())) {
            return Err(StepError::parameter(
                "f_max",
                format!("a number above {} (f_min)", self.f_min),
                f_max,
            ));
        }
        if !(0.0..=1.0).contains(&self.preemphasis) {
            return Err(StepError::parameter("preemphasis", "0 to 1", self.preemphasis));
        }
        Ok(Box::new(self))
    }
}

impl Step for Fbank {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        infer_single_channel(input)?;
        Ok(ItemType::Tensor(TensorType::new(DataType::F32, vec![None, Some(self.n_mels)])))
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let audio = single_channel(item)?;
        let bank = Bank::new(self, audio.rate())?;
        context.audio = Some(AudioFacts { hop: bank.hop, ..AudioFacts::of(&audio) });
        let frames = bank.frames(audio.samples())?;
        let mut values = Vec::with_capacity(allowed("numbers of all frames", &[frames, self.n_mels])?);
        bank.write(&audio, frames, &mut values);
        Ok(Item::Tensor(Tensor::from_vec(&[frames, self.n_mels], values)?))
    }
}

/// The step at a sample rate.
struct Bank<'a> {
    spec: &'a Fbank,
    size: usize,
    hop: usize,
    fourier: Fourier,
    filters: Vec<SparseRow>,
}

impl<'a> Bank<'a> {
    fn new(spec: &'a Fbank, rate: u32) -> Result<Self, StepError> {
        let rate = f64::from(rate);
        // The casts round down, and may saturate only where the limits below refuse the value.
        let (size, hop) = ((rate * spec.frame_ms * 0.001) as usize, (rate * spec.hop_ms * 0.001) as usize);
        if !(2..=MAX_SIZE).contains(&size) {
            let expected = format!("2 to {MAX_SIZE} samples at {rate} Hz");
            return Err(StepError::parameter("frame_ms", expected, size));
        }
        if hop == 0 {
            return Err(StepError::parameter("hop_ms", format!("at least one sample at {rate} Hz"), hop));
        }
        let f_max = spec.f_max.unwrap_or(rate / 2.0);
        if f_max > rate / 2.0 || f_max <= spec.f_min {
            let expected = format!("above f_min, at most half the sample rate of {rate} Hz");
            return Err(StepError::parameter("f_max", expected, f_max));
        }
        let mut window = spec.window.values(size, false);
        window.resize(size.next_power_of_two(), 0.0);
        let fourier = Fourier::new(window);
        // Kaldi's triangles are straight over the mel scale, not over frequencies.
        let mel = |hz| Scale::Htk.mel(hz);
        let points: Vec<f64> = evenly(mel(spec.f_min), mel(f_max), spec.n_mels + 2).collect();
        let positions: Vec<f64> = evenly(0.0, rate / 2.0, fourier.bins()).map(mel).collect();
        Ok(Self { spec, size, hop, filters: triangles(&points, &positions), fourier })
    }

    fn frames(&self, samples: usize) -> Result<usize, StepError> {
        let frames = match self.spec.snip_edges {
            true => samples.checked_sub(self.size).map_or(0, |rest| rest / self.hop + 1),
            false => (samples + self.hop / 2) / self.hop,
        };
        if frames == 0 {
            let least = if self.spec.snip_edges { self.size } else { self.hop.div_ceil(2) };
            return Err(StepError::malformed(format!("expected at least {least} samples, got {samples}")));
        }
        Ok(frames)
    }

    fn write(&self, audio: &Audio, frames: usize, values: &mut Vec<f32>) {
        let mut workspace = self.fourier.workspace();
        let mut frame = vec![0f64; self.size];
        for channel in audio.channels() {
            for index in 0..frames {
                self.read(channel, index, &mut frame);
                let powers = self.fourier.powers(frame.iter().copied(), &mut workspace);
                values.extend(self.filters.iter().map(|filter| self.band(filter, powers)));
            }
        }
    }

    /// The samples of a frame, without their mean, with high frequencies raised.
    fn read(&self, channel: &[f32], index: usize, frame: &mut [f64]) {
        let before = if self.spec.snip_edges { 0 } else { (self.size / 2).saturating_sub(self.hop / 2) };
        let late = if self.spec.snip_edges { 0 } else { (self.hop / 2).saturating_sub(self.size / 2) };
        let start = index * self.hop + late;
        for (offset, value) in frame.iter_mut().enumerate() {
            *value = f64::from(mirrored(channel, start + offset, before));
        }
        if self.spec.remove_dc_offset {
            let mean = frame.iter().sum::<f64>() / frame.len() as f64;
            frame.iter_mut().for_each(|value| *value -= mean);
        }
        let mut previous = frame.first().copied().unwrap_or_default();
        for value in frame.iter_mut() {
            let raised = *value - self.spec.preemphasis * previous;
            previous = std::mem::replace(value, raised);
        }
    }

    fn band(&self, filter: &SparseRow, powers: &[f64]) -> f32 {
        let weighted = powers.iter().skip(filter.first).zip(&filter.weights);
        let energy: f64 = weighted.map(|(power, weight)| power * weight).sum();
        let energy = if self.spec.log { energy.max(f64::from(f32::EPSILON)).ln() } else { energy };
        energy as f32
    }
}

/// The sample at `position - before`; outside, the recording goes on backwards, edge samples twice.
fn mirrored(channel: &[f32], position: usize, before: usize) -> f32 {
    let length = channel.len();
    let turn = match position.checked_sub(before) {
        Some(inside) => inside % (2 * length),
        None => (before - position - 1) % (2 * length),
    };
    let index = if turn < length { turn } else { 2 * length - 1 - turn };
    channel[index]
}
