//! Filters at equal distances on a scale of perceived pitch.

use serde::{Deserialize, Serialize};

use super::spectra::SparseRow;

/// A scale of perceived pitch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// 2595 · log10(1 + f / 700), of the Hidden Markov Model Toolkit.
    Htk,
    /// Linear up to 1 kHz, logarithmic above, of Slaney's Auditory Toolbox.
    Slaney,
}

/// Where Slaney's scale becomes logarithmic.
const CORNER_HZ: f64 = 1000.0;
/// Pitch at the corner: three steps for every 200 Hz.
const CORNER_MEL: f64 = 15.0;

/// Growth of the logarithm of the frequency with each step of Slaney's scale above the corner.
fn slaney_step() -> f64 {
    6.4f64.ln() / 27.0
}

impl Scale {
    /// The pitch of a frequency in Hz.
    pub fn mel(self, hz: f64) -> f64 {
        match self {
            Self::Htk => 2595.0 * (1.0 + hz / 700.0).log10(),
            Self::Slaney if hz < CORNER_HZ => hz * CORNER_MEL / CORNER_HZ,
            Self::Slaney => CORNER_MEL + (hz / CORNER_HZ).ln() / slaney_step(),
        }
    }

    /// The frequency in Hz of a pitch.
    pub fn hz(self, mel: f64) -> f64 {
        match self {
            Self::Htk => 700.0 * (10f64.powf(mel / 2595.0) - 1.0),
            Self::Slaney if mel < CORNER_MEL => mel * CORNER_HZ / CORNER_MEL,
            Self::Slaney => CORNER_HZ * (slaney_step() * (mel - CORNER_MEL)).exp(),
        }
    }
}

/// `count` numbers from `first` to `last` at equal distances.
pub fn evenly(first: f64, last: f64, count: usize) -> impl Iterator<Item = f64> {
    let step = (last - first) / (count.max(2) - 1) as f64;
    (0..count).map(move |index| first + step * index as f64)
}

/// Triangles over three neighbouring points each, rising from the first to 1 at the second and falling to the third,
/// at increasing positions.
pub fn triangles(points: &[f64], positions: &[f64]) -> Vec<SparseRow> {
    let triangle = |points: &[f64]| {
        let &[left, centre, right] = points else { return SparseRow { first: 0, weights: Vec::new() } };
        let first = positions.partition_point(|position| *position <= left);
        let inside = positions[first..].iter().take_while(|position| **position < right);
        let weight = |position: &f64| {
            ((position - left) / (centre - left)).min((right - position) / (right - centre)).max(0.0)
        };
        SparseRow { first, weights: inside.map(weight).collect() }
    };
    points.windows(3).map(triangle).collect()
}
