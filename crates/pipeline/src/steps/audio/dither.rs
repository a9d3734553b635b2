//! `dither`: faint noise, the same for every recording.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

use super::channels::{audio_type, each_channel};
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError};

/// `{ op = "dither", amount = 0.00003, seed = 0 }`: normally distributed noise with this standard deviation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dither {
    amount: f64,
    #[serde(default)]
    seed: u64,
}

impl Spec for Dither {
    const OP: &'static str = "dither";
    const SUMMARY: &'static str = "faint noise is added to a recording, the same every time";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if !(self.amount >= 0.0 && self.amount.is_finite()) {
            return Err(StepError::parameter("amount", "a number of at least 0", self.amount));
        }
        Ok(Box::new(self))
    }
}

impl Step for Dither {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        audio_type(input)?;
        Ok(input.clone())
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        each_channel(item, |index, channel| {
            let mut noise = Noise(self.seed.wrapping_add(index as u64));
            for sample in channel {
                *sample = (f64::from(*sample) + self.amount * noise.normal()) as f32;
            }
        })
    }
}

/// Random numbers of SplitMix64 (Steele, Lea and Flood 2014).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Above 0, at most 1.
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// By Box and Muller's transform.
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (TAU * self.uniform()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Audio, NoFiles};

    #[test]
    fn noise_has_its_size_and_is_the_same_every_time() {
        let step = Dither { amount: 0.5, seed: 3 }.build(&NoFiles).unwrap();
        let silence = Item::Audio(Audio::new(8000, vec![vec![0.0; 20000]; 2]).unwrap());
        let apply = || step.apply(silence.clone(), &mut Context::default()).unwrap().into_audio().unwrap();
        let noise = apply();
        assert_eq!(noise, apply());
        assert_ne!(noise.channels()[0], noise.channels()[1]);
        let samples = &noise.channels()[0];
        let mean = samples.iter().map(|x| f64::from(*x)).sum::<f64>() / 20000.0;
        let variance = samples.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 20000.0;
        assert!(mean.abs() < 0.02 && (variance.sqrt() - 0.5).abs() < 0.02, "{mean} {variance}");
    }
}
