//! `mel`: the frequencies of a spectrogram are put together to bands of perceived pitch.

use serde::{Deserialize, Serialize};

use super::mel_filters::{Scale, evenly, triangles};
use super::spectra::{SparseRow, Spectra, infer_rows};
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError};

/// The most mel bands.
pub const MAX_MELS: usize = 1 << 16;

/// `{ op = "mel", n_mels = 80, scale = "slaney", norm = "slaney" }`: f32 `[…, n_mels, frames]`, as
/// `torchaudio.transforms.MelScale` and `librosa.filters.mel`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mel {
    n_mels: usize,
    scale: Scale,
    norm: Norm,
    /// In Hz.
    #[serde(default)]
    f_min: f64,
    /// In Hz; half the sample rate without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    f_max: Option<f64>,
}

/// How high the filters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Norm {
    /// 1 at their centres.
    None,
    /// Of one area.
    Slaney,
}

impl Spec for Mel {
    const OP: &'static str = "mel";
    const SUMMARY: &'static str = "the frequencies of a spectrogram become mel bands";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if !(1..=MAX_MELS).contains(&self.n_mels) {
            return Err(StepError::parameter("n_mels", format!("1 to {MAX_MELS}"), self.n_mels));
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
        Ok(Box::new(self))
    }
}

impl Step for Mel {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        infer_rows(input, self.n_mels)
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let facts = context.audio.ok_or_else(|| {
            StepError::malformed(
                "no step before says what the sample rate of the recording is ('spectrogram')",
            )
        })?;
        let spectra = Spectra::of(item)?;
        spectra.multiplied(&self.filters(facts.rate, spectra.rows())?)
    }
}

impl Mel {
    /// The filters for a spectrogram of that many frequencies from 0 to half the sample rate.
    fn filters(&self, rate: u32, bins: usize) -> Result<Vec<SparseRow>, StepError> {
        let highest = f64::from(rate) / 2.0;
        let f_max = self.f_max.unwrap_or(highest);
        if f_max > highest {
            let expected = format!("at most half the sample rate of {rate} Hz");
            return Err(StepError::parameter("f_max", expected, f_max));
        }
        if f_max <= self.f_min {
            let expected = format!("less than half the sample rate of {rate} Hz");
            return Err(StepError::parameter("f_min", expected, self.f_min));
        }
        let mels = evenly(self.scale.mel(self.f_min), self.scale.mel(f_max), self.n_mels + 2);
        let points: Vec<f64> = mels.map(|mel| self.scale.hz(mel)).collect();
        let frequencies: Vec<f64> = evenly(0.0, highest, bins).collect();
        let mut filters = triangles(&points, &frequencies);
        if self.norm == Norm::Slaney {
            for (filter, points) in filters.iter_mut().zip(points.windows(3)) {
                let width = points[2] - points[0];
                filter.weights.iter_mut().for_each(|weight| *weight *= 2.0 / width);
            }
        }
        Ok(filters)
    }
}
