//! The spectrum of a frame.
//!
//! In double precision, and planned without the instructions of this machine: the same numbers everywhere.

use std::fmt;
use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlannerScalar};

/// The longest frame.
pub const MAX_SIZE: usize = 1 << 16;

/// A transform of windowed frames.
pub struct Fourier {
    window: Vec<f64>,
    fft: Arc<dyn Fft<f64>>,
}

/// Memory that transforms of one size use again and again.
#[derive(Debug)]
pub struct Workspace {
    values: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    powers: Vec<f64>,
}

impl fmt::Debug for Fourier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fourier").field("size", &self.window.len()).finish_non_exhaustive()
    }
}

impl Fourier {
    /// Of frames as long as the window.
    pub fn new(window: Vec<f64>) -> Self {
        let fft = FftPlannerScalar::new().plan_fft_forward(window.len());
        Self { window, fft }
    }

    /// Frequencies from 0 to half the sample rate.
    pub fn bins(&self) -> usize {
        self.window.len() / 2 + 1
    }

    /// Memory for [`powers`](Self::powers).
    pub fn workspace(&self) -> Workspace {
        let zero = Complex::new(0.0, 0.0);
        let scratch = vec![zero; self.fft.get_inplace_scratch_len()];
        Workspace { values: vec![zero; self.window.len()], scratch, powers: Vec::new() }
    }

    /// The squared magnitude of each frequency of a frame; a frame that is too short is followed by silence.
    pub fn powers<'a>(&self, frame: impl Iterator<Item = f64>, workspace: &'a mut Workspace) -> &'a [f64] {
        let Workspace { values, scratch, powers } = workspace;
        values.fill(Complex::new(0.0, 0.0));
        let windowed = frame.zip(&self.window).map(|(sample, weight)| Complex::new(sample * weight, 0.0));
        values.iter_mut().zip(windowed).for_each(|(value, windowed)| *value = windowed);
        self.fft.process_with_scratch(values, scratch);
        powers.clear();
        powers.extend(values.iter().take(self.bins()).map(Complex::norm_sqr));
        powers
    }
}
