//! `log`: the logarithm of a tensor, as models of sound take it.

use lehr_tensor::{DataType, Tensor};
use serde::{Deserialize, Serialize};

use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, TensorType};

/// `{ op = "log", kind = "db", top_db = 80 }`, `{ op = "log", kind = "ln", offset = 1e-6 }` and so on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Log {
    /// Decibels, as `librosa.power_to_db`, `librosa.amplitude_to_db` and `torchaudio.transforms.AmplitudeToDB`.
    Db {
        /// What the numbers are.
        #[serde(default)]
        of: Quantity,
        /// What 0 dB is.
        #[serde(default, rename = "ref")]
        reference: Reference,
        /// Smaller numbers count as this; 1e-10 for powers and 1e-5 for amplitudes without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        amin: Option<f64>,
        /// What is further below the largest number is raised to this distance.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        top_db: Option<f64>,
    },
    /// The natural logarithm.
    Ln(Guard),
    /// The decimal logarithm.
    Log10(Guard),
    /// The decimal logarithm of Whisper: at least 1e-10, at most 8 below the largest, then (x + 4) / 4.
    Whisper {},
}

/// What keeps logarithms finite: `log(max(x, floor) + offset)`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    #[serde(default)]
    floor: f64,
    #[serde(default)]
    offset: f64,
}

/// What a spectrogram holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantity {
    /// Squares, 10 dB for each power of ten.
    #[default]
    Power,
    /// Magnitudes, 20 dB for each power of ten.
    Amplitude,
}

/// What 0 dB is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reference {
    /// This number.
    Number(f64),
    /// The largest number of the tensor.
    Name(Largest),
}

/// Its only name.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Largest {
    /// The largest number of the tensor.
    Max,
}

impl Default for Reference {
    fn default() -> Self {
        Self::Number(1.0)
    }
}

impl Quantity {
    /// Decibels for each power of ten.
    fn decibels(self) -> f64 {
        match self {
            Self::Power => 10.0,
            Self::Amplitude => 20.0,
        }
    }

    fn least(self) -> f64 {
        match self {
            Self::Power => 1e-10,
            Self::Amplitude => 1e-5,
        }
    }
}

impl Spec for Log {
    const OP: &'static str = "log";
    const SUMMARY: &'static str = "logarithms: decibels, natural, decimal, or those of Whisper";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let positive = |value: f64| value > 0.0 && value.is_finite();
        match self {
            Self::Db { amin: Some(amin), .. } if !positive(amin) => {
                Err(StepError::parameter("amin", "a number above 0", amin))
            }
            Self::Db { reference: Reference::Number(number), .. } if !positive(number) => {
                Err(StepError::parameter("ref", "a number above 0 or \"max\"", number))
            }
            Self::Db { top_db: Some(top), .. } if !(top >= 0.0 && top.is_finite()) => {
                Err(StepError::parameter("top_db", "a number of at least 0", top))
            }
            Self::Ln(guard) | Self::Log10(guard)
                if guard.floor < 0.0 || !positive(guard.floor + guard.offset) =>
            {
                let got = format!("floor = {}, offset = {}", guard.floor, guard.offset);
                Err(StepError::parameter("floor", "a floor or an offset above 0", got))
            }
            step => Ok(Box::new(step)),
        }
    }
}

impl Step for Log {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        Ok(ItemType::Tensor(TensorType { dtype: Some(DataType::F32), ..input.tensor()?.clone() }))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let tensor = item.into_tensor()?;
        let mut values = tensor.to_f64s()?;
        self.take(&mut values);
        let values = values.into_iter().map(|value| value as f32).collect();
        Ok(Item::Tensor(Tensor::from_vec(tensor.shape(), values)?))
    }
}

impl Log {
    fn take(&self, values: &mut [f64]) {
        match self {
            Self::Ln(Guard { floor, offset }) => change(values, |x| (at_least(x, *floor) + offset).ln()),
            Self::Log10(Guard { floor, offset }) => {
                change(values, |x| (at_least(x, *floor) + offset).log10())
            }
            Self::Db { of, reference, amin, top_db } => {
                let amin = amin.unwrap_or(of.least());
                let reference = match reference {
                    Reference::Number(number) => *number,
                    Reference::Name(Largest::Max) => largest(values),
                };
                let zero = at_least(reference, amin).log10();
                change(values, |x| of.decibels() * (at_least(x, amin).log10() - zero));
                if let Some(top) = top_db {
                    let lowest = largest(values) - top;
                    change(values, |x| at_least(x, lowest));
                }
            }
            Self::Whisper {} => {
                change(values, |x| at_least(x, 1e-10).log10());
                let lowest = largest(values) - 8.0;
                change(values, |x| (at_least(x, lowest) + 4.0) / 4.0);
            }
        }
    }
}

fn change(values: &mut [f64], change: impl Fn(f64) -> f64) {
    values.iter_mut().for_each(|value| *value = change(*value));
}

/// Unlike [`f64::max`], NaN stays NaN.
fn at_least(value: f64, least: f64) -> f64 {
    if value < least { least } else { value }
}

fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}
