//! `resample`: another sample rate, by band-limited interpolation with a windowed sinc.
//!
//! The method of `torchaudio.functional.resample`, after J. O. Smith, [*Digital Audio
//! Resampling*](https://ccrma.stanford.edu/~jos/resample/): for each of the output's positions between two input
//! samples (there are `new / gcd` of them) a filter of the inputs around it.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::channels::audio_type;
use crate::steps::limit::allowed;
use crate::{Audio, AudioFacts, Context, Files, Item, ItemType, Spec, Step, StepError};

/// The most coefficients of all filters together.
const MAX_COEFFICIENTS: usize = 1 << 24;

/// `{ op = "resample", rate = 16000 }`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resample {
    /// Samples per second afterwards.
    rate: u32,
    /// Zero crossings of the sinc on each side.
    #[serde(default = "six")]
    lowpass_filter_width: u32,
    /// Where the filter cuts, as a fraction of half the lower rate.
    #[serde(default = "nearly_one")]
    rolloff: f64,
    #[serde(default)]
    window: Window,
    /// Shape of the Kaiser window.
    #[serde(default = "torchaudio_beta")]
    beta: f64,
}

/// What the sinc is multiplied with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Window {
    #[default]
    Hann,
    Kaiser,
}

fn six() -> u32 {
    6
}

fn nearly_one() -> f64 {
    0.99
}

fn torchaudio_beta() -> f64 {
    14.769_656_459_379_492
}

impl Spec for Resample {
    const OP: &'static str = "resample";
    const SUMMARY: &'static str = "another sample rate, by windowed sinc interpolation as torchaudio does it";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if self.rate == 0 {
            return Err(StepError::parameter("rate", "at least 1", self.rate));
        }
        if !(1..=1000).contains(&self.lowpass_filter_width) {
            let got = self.lowpass_filter_width;
            return Err(StepError::parameter("lowpass_filter_width", "1 to 1000", got));
        }
        if !(self.rolloff > 0.0 && self.rolloff <= 1.0) {
            return Err(StepError::parameter("rolloff", "a number above 0, at most 1", self.rolloff));
        }
        if !(0.0..=100.0).contains(&self.beta) {
            return Err(StepError::parameter("beta", "0 to 100", self.beta));
        }
        Ok(Box::new(self))
    }
}

impl Step for Resample {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let (_, channels) = audio_type(input)?;
        Ok(ItemType::Audio { rate: Some(self.rate), channels })
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let audio = item.into_audio()?;
        let resampled = if audio.rate() == self.rate { audio } else { self.resampled(&audio)? };
        context.audio = Some(AudioFacts::of(&resampled));
        Ok(Item::Audio(resampled))
    }
}

impl Resample {
    fn resampled(&self, audio: &Audio) -> Result<Audio, StepError> {
        let divisor = gcd(audio.rate(), self.rate);
        let (old, new) = (u64::from(audio.rate() / divisor), u64::from(self.rate / divisor));
        let samples = (audio.samples() as u128 * u128::from(new)).div_ceil(u128::from(old));
        let samples = usize::try_from(samples).unwrap_or(usize::MAX);
        allowed("samples of the recording at the new rate", &[samples, audio.channels().len()])?;
        let filters = self.filters(old, new, samples)?;
        let channels = audio.channels().iter().map(|channel| {
            let sample = |at: usize| {
                // The cast is exact: `allowed` bounds `samples`, rates have 32 bits.
                let (turn, phase) = (at as u64 / new, at as u64 % new);
                filters.get(phase as usize).map_or(0.0, |filter| filter.apply(channel, (turn * old) as i64))
            };
            (0..samples).map(sample).collect()
        });
        Audio::new(self.rate, channels.collect())
    }

    /// The filter of each phase of the output that occurs.
    fn filters(&self, old: u64, new: u64, samples: usize) -> Result<Vec<Filter>, StepError> {
        let phases = usize::try_from(new).unwrap_or(usize::MAX).min(samples);
        let (old, new) = (old as f64, new as f64);
        let cutoff = old.min(new) * self.rolloff;
        let reach = f64::from(self.lowpass_filter_width) * old / cutoff;
        let coefficients = (2.0 * reach + 1.0) * phases as f64;
        if coefficients > MAX_COEFFICIENTS as f64 {
            return Err(StepError::TooLarge {
                what: "coefficients for this pair of sample rates",
                limit: MAX_COEFFICIENTS as u64,
                got: coefficients as u64,
            });
        }
        Ok((0..phases).map(|phase| self.filter(phase as f64 * old / new, reach, cutoff / old)).collect())
    }

    /// The filter for an output at `position`, in input samples: of all inputs less than `reach` away.
    fn filter(&self, position: f64, reach: f64, cutoff: f64) -> Filter {
        let first = (position - reach).ceil();
        let count = ((position + reach).floor() - first) as usize + 1;
        let coefficient = |index: usize| {
            let time = (first + index as f64 - position) * cutoff;
            (sinc(time) * self.window(time) * cutoff) as f32
        };
        Filter { first: first as i64, coefficients: (0..count).map(coefficient).collect() }
    }

    /// The window at `time`, in zero crossings of the sinc.
    fn window(&self, time: f64) -> f64 {
        let fraction = (time / f64::from(self.lowpass_filter_width)).clamp(-1.0, 1.0);
        match self.window {
            Window::Hann => (fraction * PI / 2.0).cos().powi(2),
            Window::Kaiser => {
                bessel_i0(self.beta * (1.0 - fraction * fraction).sqrt()) / bessel_i0(self.beta)
            }
        }
    }
}

/// Coefficients of the inputs from `first` on, relative to where the output's turn begins.
struct Filter {
    first: i64,
    coefficients: Vec<f32>,
}

impl Filter {
    /// The filtered value; inputs outside of the recording are silent.
    fn apply(&self, channel: &[f32], turn: i64) -> f32 {
        let start = turn + self.first;
        let skipped = usize::try_from(-start).unwrap_or(0).min(self.coefficients.len());
        let inputs = channel.get(usize::try_from(start).unwrap_or(0)..).unwrap_or_default();
        let products = self.coefficients[skipped..].iter().zip(inputs);
        products.map(|(coefficient, sample)| f64::from(*coefficient) * f64::from(*sample)).sum::<f64>() as f32
    }
}

fn sinc(time: f64) -> f64 {
    if time == 0.0 { 1.0 } else { (PI * time).sin() / (PI * time) }
}

/// The modified Bessel function of the first kind and order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term, mut index) = (1.0, 1.0, 1.0);
    while term > sum * f64::EPSILON {
        term *= (x / (2.0 * index)).powi(2);
        sum += term;
        index += 1.0;
    }
    sum
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
