//! A recording.

use crate::StepError;

/// A recording: for each channel its samples, nominally from -1 to 1. It has a sample rate, at least one channel and one
/// sample; all channels are of one length and all samples are finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    rate: u32,
    channels: Vec<Vec<f32>>,
}

impl Audio {
    /// A recording with this many samples per second and channel.
    ///
    /// # Errors
    /// [`StepError::Malformed`] when it is empty, a channel is longer than another, or a sample is not finite.
    pub fn new(rate: u32, channels: Vec<Vec<f32>>) -> Result<Self, StepError> {
        if rate == 0 {
            return Err(StepError::malformed("a recording can not have 0 samples per second"));
        }
        let Some(samples) = channels.first().map(Vec::len) else {
            return Err(StepError::malformed("a recording must have at least one channel"));
        };
        if samples == 0 {
            return Err(StepError::malformed("the recording has no samples"));
        }
        for (index, channel) in channels.iter().enumerate() {
            if channel.len() != samples {
                let got = channel.len();
                return Err(StepError::malformed(format!(
                    "channel {index} has {got} samples, channel 0 has {samples}"
                )));
            }
            if let Some(at) = channel.iter().position(|sample| !sample.is_finite()) {
                let value = channel[at];
                return Err(StepError::malformed(format!(
                    "sample {at} of channel {index}, counted from 0, is {value}; expected finite numbers"
                )));
            }
        }
        Ok(Self { rate, channels })
    }

    /// Samples per second and channel.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Samples of each channel.
    pub fn samples(&self) -> usize {
        self.channels.first().map_or(0, Vec::len)
    }

    /// The channels.
    pub fn channels(&self) -> &[Vec<f32>] {
        &self.channels
    }

    /// The channels by value.
    pub fn into_channels(self) -> Vec<Vec<f32>> {
        self.channels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_that_can_not_be_are_refused_with_the_reason() {
        let problem = |rate, channels| Audio::new(rate, channels).unwrap_err().to_string();
        assert_eq!(problem(0, vec![vec![0.0]]), "a recording can not have 0 samples per second");
        assert_eq!(problem(8000, vec![]), "a recording must have at least one channel");
        assert_eq!(problem(8000, vec![vec![]]), "the recording has no samples");
        assert_eq!(problem(8000, vec![vec![0.0; 2], vec![0.0]]), "channel 1 has 1 samples, channel 0 has 2");
        assert_eq!(
            problem(8000, vec![vec![0.0; 2], vec![0.0, f32::NAN]]),
            "sample 1 of channel 1, counted from 0, is NaN; expected finite numbers"
        );
    }
}
