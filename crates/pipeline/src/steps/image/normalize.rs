//! `normalize`: the mean of each channel is taken off, and the rest divided by its standard deviation.

use lehr_tensor::DataType;
use serde::{Deserialize, Serialize};

use crate::{Affine, Context, Files, Image, ImageType, Item, ItemType, Pixels, Spec, Step, StepError};

/// `{ op = "normalize", mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] }`, in the order of the picture's
/// channels and the range of its values; a single number stands for all channels.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalize {
    mean: ByChannel,
    std: ByChannel,
}

/// A number for all channels, or one for each.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum ByChannel {
    One(f32),
    Each(Vec<f32>),
}

impl ByChannel {
    fn into_values(self, name: &'static str) -> Result<Vec<f32>, StepError> {
        let values = match self {
            Self::One(value) => vec![value],
            Self::Each(values) => values,
        };
        if !matches!(values.len(), 1 | 3) {
            return Err(StepError::parameter(name, "1 or 3 numbers", format!("{} numbers", values.len())));
        }
        match values.iter().find(|value| !value.is_finite()) {
            None => Ok(values),
            Some(value) => Err(StepError::parameter(name, "finite numbers", value)),
        }
    }
}

impl Spec for Normalize {
    const OP: &'static str = "normalize";
    const SUMMARY: &'static str = "(x - mean) / std by channel; bytes become f32";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let (mean, std) = (self.mean.into_values("mean")?, self.std.into_values("std")?);
        if std.contains(&0.0) {
            return Err(StepError::parameter("std", "numbers other than zero", 0));
        }
        let channels = mean.len().max(std.len());
        let each = |values: Vec<f32>| if values.len() == 1 { vec![values[0]; channels] } else { values };
        Ok(Box::new(Normalizer { mean: each(mean), std: each(std) }))
    }
}

/// As many means as deviations: 1 or 3.
#[derive(Debug)]
struct Normalizer {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Normalizer {
    fn demand(&self, channels: Option<usize>) -> Result<(), StepError> {
        match channels {
            Some(channels) if ![1, channels].contains(&self.mean.len()) => Err(StepError::kind(
                format!("a picture of {} channels, as many as means", self.mean.len()),
                format!("one of {channels}"),
            )),
            _ => Ok(()),
        }
    }

    /// The value of a channel (of channel `n` modulo the number of means).
    fn apply(&self, channel: usize, value: f32) -> f32 {
        (value - self.mean[channel % self.mean.len()]) / self.std[channel % self.std.len()]
    }
}

impl Step for Normalizer {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let image = input.image()?;
        self.demand(image.color.map(|color| color.channels()))?;
        Ok(ItemType::Image(ImageType { dtype: Some(DataType::F32), ..image }))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let image = item.into_image()?;
        let (width, height, color) = (image.width(), image.height(), image.color());
        self.demand(Some(color.channels()))?;
        let values = match image.into_pixels() {
            Pixels::U8(values) => match color.channels() {
                1 => self.bytes::<1>(&values),
                _ => self.bytes::<3>(&values),
            },
            Pixels::F32(values) => match color.channels() {
                1 => self.numbers::<1>(values),
                _ => self.numbers::<3>(values),
            },
        };
        Image::new(width, height, color, Pixels::F32(values)).map(Item::Image)
    }

    fn affine(&self) -> Affine {
        let scale: Vec<f32> = self.std.iter().map(|std| 1.0 / std).collect();
        let shift = self.mean.iter().zip(&scale).map(|(mean, scale)| -mean * scale).collect();
        Affine::Channels { scale, shift }
    }
}

impl Normalizer {
    fn bytes<const N: usize>(&self, values: &[u8]) -> Vec<f32> {
        let tables: [[f32; 256]; N] = std::array::from_fn(|channel| {
            std::array::from_fn(|byte| Normalizer::apply(self, channel, byte as f32))
        });
        let pixels = values.as_chunks::<N>().0.iter();
        pixels
            .flat_map(|pixel| std::array::from_fn::<f32, N, _>(|c| tables[c][usize::from(pixel[c])]))
            .collect()
    }

    fn numbers<const N: usize>(&self, mut values: Vec<f32>) -> Vec<f32> {
        let mean: [f32; N] = std::array::from_fn(|channel| self.mean[channel % self.mean.len()]);
        let std: [f32; N] = std::array::from_fn(|channel| self.std[channel % self.std.len()]);
        for pixel in values.as_chunks_mut::<N>().0 {
            for channel in 0..N {
                pixel[channel] = (pixel[channel] - mean[channel]) / std[channel];
            }
        }
        values
    }
}
