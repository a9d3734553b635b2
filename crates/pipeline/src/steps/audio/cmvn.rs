//! `cmvn`: cepstral mean and variance normalisation.

use lehr_tensor::{CastOptions, DataType, Tensor};
use serde::{Deserialize, Serialize};

use crate::steps::tensor::axis::{infer_axis, resolve_axis};
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, TensorType};

/// `{ op = "cmvn" }`: every feature of a tensor `[…, features, frames]` gets the mean 0 and the standard deviation 1 over
/// its frames. `{ op = "cmvn", over = "data", mean = […], std = […] }` takes stored numbers, one for each feature.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cmvn {
    #[serde(default)]
    over: Over,
    /// Which axis holds the frames: the last or, with -2, the one before; the other one of them holds the features.
    #[serde(default = "last")]
    time_axis: i64,
    /// Whether to divide by the standard deviation.
    #[serde(default = "yes")]
    variance: bool,
    /// Smaller standard deviations count as this.
    #[serde(default = "tiny")]
    epsilon: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mean: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    std: Option<Vec<f64>>,
}

/// Of what mean and deviation are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Over {
    /// Of the recording itself.
    #[default]
    Utterance,
    /// Of the data that the step was fitted to.
    Data,
}

fn last() -> i64 {
    -1
}

fn yes() -> bool {
    true
}

fn tiny() -> f64 {
    1e-10
}

impl Spec for Cmvn {
    const OP: &'static str = "cmvn";
    const SUMMARY: &'static str = "every feature gets mean 0 and standard deviation 1 over the frames";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if !matches!(self.time_axis, -1 | -2) {
            return Err(StepError::parameter("time_axis", "-1 or -2", self.time_axis));
        }
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            return Err(StepError::parameter("epsilon", "a number above 0", self.epsilon));
        }
        match (self.over, &self.mean, &self.std) {
            (Over::Utterance, None, None) => {}
            (Over::Utterance, ..) => {
                return Err(StepError::parameter(
                    "over",
                    "\"data\" where 'mean' and 'std' are given",
                    "\"utterance\"",
                ));
            }
            (Over::Data, None, _) => return Err(StepError::Unfitted("mean")),
            (Over::Data, _, None) if self.variance => return Err(StepError::Unfitted("std")),
            (Over::Data, Some(mean), std) => {
                let lengths = (mean.len(), std.as_ref().map_or(mean.len(), Vec::len));
                if lengths.0 != lengths.1 {
                    return Err(StepError::parameter("std", format!("{} numbers", lengths.0), lengths.1));
                }
                if !mean.iter().chain(std.iter().flatten()).all(|number| number.is_finite()) {
                    return Err(StepError::parameter("mean", "finite numbers", "others in 'mean' or 'std'"));
                }
            }
        }
        Ok(Box::new(self))
    }

    fn fit(&mut self, data: &Item) -> Result<(), StepError> {
        if self.over == Over::Data {
            let features = Features::of(data.clone(), self.time_axis)?;
            let moments = features.moments();
            self.mean = Some(moments.iter().map(|moments| moments.mean).collect());
            self.std = self.variance.then(|| moments.iter().map(|moments| moments.std).collect());
        }
        Ok(())
    }
}

impl Step for Cmvn {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let (tensor, position) = infer_axis(input, -2)?;
        let features = position.zip(tensor.shape.as_ref()).and_then(|(position, shape)| {
            let axis = if self.time_axis == -1 { position } else { position + 1 };
            shape.get(axis).copied().flatten()
        });
        if let (Some(mean), Some(features)) = (&self.mean, features) {
            input.demand(&format!("{} features", mean.len()), mean.len() == features)?;
        }
        Ok(ItemType::Tensor(TensorType { dtype: Some(DataType::F32), ..tensor.clone() }))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let mut features = Features::of(item, self.time_axis)?;
        match &self.mean {
            None => features.normalize(&features.moments(), self),
            Some(mean) if mean.len() != features.count => {
                return Err(StepError::malformed(format!(
                    "expected {} features, got {}",
                    mean.len(),
                    features.count
                )));
            }
            Some(mean) => {
                let std = self.std.iter().flatten().copied().chain(std::iter::repeat(1.0));
                let moments: Vec<_> =
                    mean.iter().zip(std).map(|(mean, std)| Moments { mean: *mean, std }).collect();
                let groups = features.groups;
                features.normalize(&moments.repeat(groups), self);
            }
        }
        Ok(Item::Tensor(Tensor::from_vec(&features.shape, features.values)?))
    }
}

#[derive(Clone, Copy, Debug)]
struct Moments {
    mean: f64,
    std: f64,
}

/// A tensor as groups (the leading axes) of features, each with its frames.
struct Features {
    shape: Vec<usize>,
    groups: usize,
    count: usize,
    frames: usize,
    frames_last: bool,
    values: Vec<f32>,
}

impl Features {
    fn of(item: Item, time_axis: i64) -> Result<Self, StepError> {
        let ty = item.ty();
        let tensor = item.into_tensor()?;
        let shape = tensor.shape().to_vec();
        let frames_last = time_axis == -1;
        let position = resolve_axis(-2, shape.len()).filter(|_| !tensor.is_empty());
        let position = position.ok_or_else(|| StepError::kind("a tensor with at least two axes", ty))?;
        let (count, frames) = match frames_last {
            true => (shape[position], shape[position + 1]),
            false => (shape[position + 1], shape[position]),
        };
        let values = tensor.cast(DataType::F32, CastOptions::default())?.into_vec::<f32>()?;
        Ok(Self { groups: values.len() / (count * frames), shape, count, frames, frames_last, values })
    }

    /// Where the first value of a feature is, and how far the next one is from it.
    fn place(&self, feature: usize) -> (usize, usize) {
        let (group, index) = (feature / self.count, feature % self.count);
        let start = group * self.count * self.frames;
        if self.frames_last { (start + index * self.frames, 1) } else { (start + index, self.count) }
    }

    /// Mean and standard deviation (of the population) of every feature of every group.
    fn moments(&self) -> Vec<Moments> {
        let moments = |feature| {
            let (start, step) = self.place(feature);
            let values =
                || self.values[start..].iter().step_by(step).take(self.frames).map(|x| f64::from(*x));
            let frames = self.frames as f64;
            let mean = values().sum::<f64>() / frames;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / frames;
            Moments { mean, std: variance.sqrt() }
        };
        (0..self.groups * self.count).map(moments).collect()
    }

    fn normalize(&mut self, moments: &[Moments], spec: &Cmvn) {
        for (feature, Moments { mean, std }) in moments.iter().enumerate() {
            let (start, step) = self.place(feature);
            let divisor = if spec.variance { std.max(spec.epsilon) } else { 1.0 };
            let values = self.values[start..].iter_mut().step_by(step).take(self.frames);
            values.for_each(|value| *value = ((f64::from(*value) - mean) / divisor) as f32);
        }
    }
}
