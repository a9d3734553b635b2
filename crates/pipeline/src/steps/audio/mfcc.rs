//! `mfcc`: the cosine transform of logarithmic mel bands.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::spectra::{SparseRow, Spectra, infer_rows};
use crate::steps::limit::allowed;
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError};

/// `{ op = "mfcc", n_mfcc = 13 }`: f32 `[…, n_mfcc, frames]`, the first coefficients of the type-II cosine transform over the
/// bands, as the last part of `torchaudio.transforms.MFCC` and `librosa.feature.mfcc`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mfcc {
    n_mfcc: usize,
    #[serde(default)]
    norm: Norm,
    /// Period of the sine by which later coefficients are raised; 0 leaves them.
    #[serde(default)]
    lifter: f64,
}

/// How the transform is scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Norm {
    /// Lengths are kept.
    #[default]
    Ortho,
    /// Twice the sum of the products.
    None,
}

impl Spec for Mfcc {
    const OP: &'static str = "mfcc";
    const SUMMARY: &'static str = "the first cepstral coefficients of logarithmic mel bands";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if self.n_mfcc == 0 {
            return Err(StepError::parameter("n_mfcc", "at least 1", self.n_mfcc));
        }
        if !(self.lifter >= 0.0 && self.lifter.is_finite()) {
            return Err(StepError::parameter("lifter", "a number of at least 0", self.lifter));
        }
        Ok(Box::new(self))
    }
}

impl Step for Mfcc {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        infer_rows(input, self.n_mfcc)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let spectra = Spectra::of(item)?;
        if self.n_mfcc > spectra.rows() {
            let expected = format!("at most the number of mel bands, {}", spectra.rows());
            return Err(StepError::parameter("n_mfcc", expected, self.n_mfcc));
        }
        allowed("numbers of the cosine transform", &[self.n_mfcc, spectra.rows()])?;
        let rows: Vec<_> = (0..self.n_mfcc).map(|index| self.row(index, spectra.rows())).collect();
        spectra.multiplied(&rows)
    }
}

impl Mfcc {
    fn row(&self, index: usize, bands: usize) -> SparseRow {
        let (order, count) = (index as f64, bands as f64);
        let scale = match self.norm {
            Norm::None => 2.0,
            Norm::Ortho if index == 0 => (1.0 / count).sqrt(),
            Norm::Ortho => (2.0 / count).sqrt(),
        };
        let raise = match self.lifter {
            0.0 => 1.0,
            period => 1.0 + period / 2.0 * (PI * (order + 1.0) / period).sin(),
        };
        let weight = |band: usize| scale * raise * (PI / count * (band as f64 + 0.5) * order).cos();
        SparseRow { first: 0, weights: (0..bands).map(weight).collect() }
    }
}
