//! Windows that frames are multiplied with before they are transformed.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

/// A window by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Window {
    /// Raised cosine.
    #[default]
    Hann,
    /// Raised cosine on a pedestal of 0.08.
    Hamming,
    /// The Hann window to the power of 0.85, Kaldi's own.
    Povey,
    /// Two cosines, with the coefficient 0.42.
    Blackman,
    /// One everywhere.
    Rectangular,
}

impl Window {
    /// The window's values: of one period where it is `periodic`, otherwise symmetric.
    pub fn values(self, length: usize, periodic: bool) -> Vec<f64> {
        if length == 1 {
            return vec![1.0];
        }
        let period = if periodic { length } else { length - 1 } as f64;
        (0..length).map(|index| self.at(TAU * index as f64 / period)).collect()
    }

    /// The value at an angle from 0 to 2π.
    fn at(self, angle: f64) -> f64 {
        match self {
            Self::Hann => 0.5 - 0.5 * angle.cos(),
            Self::Hamming => 0.54 - 0.46 * angle.cos(),
            Self::Povey => (0.5 - 0.5 * angle.cos()).powf(0.85),
            Self::Blackman => 0.42 - 0.5 * angle.cos() + 0.08 * (2.0 * angle).cos(),
            Self::Rectangular => 1.0,
        }
    }
}
