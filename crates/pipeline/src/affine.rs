//! The affine end of an input's steps as data, so that a model can take it over.

use serde::Serialize;

/// What a step does to numbers, if that can be said as data.
#[derive(Clone, Debug, PartialEq)]
pub enum Affine {
    /// Something that is not affine.
    No,
    /// `y = x · scale + shift` by channel; one number stands for all channels.
    Channels {
        /// Factors.
        scale: Vec<f32>,
        /// Summands.
        shift: Vec<f32>,
    },
    /// Another order of axes, as the letters of the new order (`"CHW"`).
    Layout(String),
    /// An axis of size 1 in front.
    Batch,
}

/// The longest affine end of an input: everything from step `first` on is `x · scale + shift` by channel, in `layout`.
///
/// A pass may fold it into the first layer; the pipeline is then cut with `Pipeline::without_tail`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AffineTail {
    /// Name of the input.
    pub input: String,
    /// Position of the first step that belongs to it.
    pub first: usize,
    /// Factors by channel; one number stands for all channels.
    pub scale: Vec<f32>,
    /// Summands by channel, as many as factors.
    pub shift: Vec<f32>,
    /// Order of the axes after the steps (`"NCHW"`), of a picture that came as `HWC`.
    pub layout: String,
}

impl AffineTail {
    /// The affine end of steps that do these things.
    pub(crate) fn of(input: &str, steps: &[Affine]) -> Option<Self> {
        let first = steps.iter().rposition(|step| *step == Affine::No).map_or(0, |last| last + 1);
        if first == steps.len() {
            return None;
        }
        let mut tail = Self {
            input: input.to_owned(),
            first,
            scale: vec![1.0],
            shift: vec![0.0],
            layout: "HWC".to_owned(),
        };
        for step in &steps[first..] {
            match step {
                Affine::No => return None,
                Affine::Channels { scale, shift } => tail.then(scale, shift)?,
                Affine::Layout(order) => tail.layout.clone_from(order),
                Affine::Batch => tail.layout.insert(0, 'N'),
            }
        }
        Some(tail)
    }

    /// Appends another affine map; `None` when the numbers of channels differ.
    fn then(&mut self, scale: &[f32], shift: &[f32]) -> Option<()> {
        let channels = [self.scale.len(), scale.len(), shift.len()].into_iter().max()?;
        let at = |values: &[f32], channel: usize| match values {
            [one] => Some(*one),
            values if values.len() == channels => values.get(channel).copied(),
            _ => None,
        };
        let mut combined = Vec::with_capacity(channels);
        for channel in 0..channels {
            let (a, b) = (at(&self.scale, channel)?, at(&self.shift, channel)?);
            let (c, d) = (at(scale, channel)?, at(shift, channel)?);
            combined.push((a * c, b * c + d));
        }
        (self.scale, self.shift) = combined.into_iter().unzip();
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels(scale: &[f32], shift: &[f32]) -> Affine {
        Affine::Channels { scale: scale.to_vec(), shift: shift.to_vec() }
    }

    #[test]
    fn the_tail_begins_behind_the_last_step_that_is_not_affine() {
        let steps = [
            channels(&[9.0], &[9.0]),
            Affine::No,
            channels(&[0.5], &[0.0]),
            channels(&[2.0, 4.0, 8.0], &[-1.0, -2.0, -3.0]),
            Affine::Layout("CHW".to_owned()),
            Affine::Batch,
        ];
        let tail = AffineTail::of("x", &steps).unwrap();
        assert_eq!((tail.first, tail.layout.as_str()), (2, "NCHW"));
        assert_eq!((tail.scale, tail.shift), (vec![1.0, 2.0, 4.0], vec![-1.0, -2.0, -3.0]));
    }

    #[test]
    fn numbers_of_channels_must_agree() {
        assert_eq!(AffineTail::of("x", &[channels(&[1.0, 2.0], &[0.0]), channels(&[1.0; 3], &[0.0])]), None);
        assert_eq!(AffineTail::of("x", &[Affine::No]), None);
    }
}
