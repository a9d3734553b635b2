//! `mean_pool`: what a model says of each token becomes what it says of the text, by the mean.

use lehr_tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::sequence::{Sequences, infer_pooled};
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError};

/// `{ op = "mean_pool", mask = "attention_mask" }`, where `mask` is the model's input that is 0 for tokens that do not
/// count (Reimers and Gurevych 2019, <https://arxiv.org/abs/1908.10084>).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanPool {
    /// All tokens count without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mask: Option<String>,
}

impl Spec for MeanPool {
    const OP: &'static str = "mean_pool";
    const SUMMARY: &'static str = "the mean over the tokens of each text";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(self))
    }
}

impl Step for MeanPool {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        infer_pooled(input)
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let sequences = Sequences::of(item)?;
        let weights = match &self.mask {
            Some(name) => weights(name, context, &sequences)?,
            None => vec![1.0; sequences.count * sequences.length],
        };
        let mut pooled = Vec::with_capacity(sequences.count * sequences.width);
        for (tokens, weights) in sequences.iter().zip(weights.chunks_exact(sequences.length)) {
            pooled.extend(mean(tokens, weights, sequences.width));
        }
        Ok(Item::Tensor(Tensor::from_vec(&[sequences.count, sequences.width], pooled)?))
    }
}

/// The mask that the model got, as one number for each token.
fn weights(name: &str, context: &Context, sequences: &Sequences) -> Result<Vec<f64>, StepError> {
    let mask = context.fed(name).ok_or_else(|| {
        let fed: Vec<_> = context.fed.iter().map(|(name, _)| name.as_str()).collect();
        StepError::parameter("mask", format!("an input of the model: {}", fed.join(", ")), name)
    })?;
    if mask.shape() != [sequences.count, sequences.length] {
        let expected = format!("mask '{name}' of shape [{}, {}]", sequences.count, sequences.length);
        return Err(StepError::kind(expected, Item::Tensor(mask.clone()).ty()));
    }
    Ok(mask.to_f64s()?)
}

/// The weighted mean of the tokens; zero when none counts.
fn mean(tokens: &[f32], weights: &[f64], width: usize) -> impl Iterator<Item = f32> {
    let mut sums = vec![0.0; width];
    for (token, weight) in tokens.chunks_exact(width).zip(weights) {
        if *weight != 0.0 {
            sums.iter_mut().zip(token).for_each(|(sum, value)| *sum += weight * f64::from(*value));
        }
    }
    let total = weights.iter().sum::<f64>().max(1e-9);
    sums.into_iter().map(move |sum| (sum / total) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(mask: Tensor) -> Context {
        Context { fed: vec![("attention_mask".to_owned(), mask)], ..Context::default() }
    }

    #[test]
    fn tokens_that_the_mask_leaves_out_do_not_count() {
        let tokens = [1.0, 2.0, 3.0, 4.0, f32::NAN, 6.0, 7.0, 8.0, 9.0, 1.0, 2.0, 3.0f32];
        let tensor = Item::Tensor(Tensor::from_slice(&[2, 3, 2], &tokens).unwrap());
        let mask = Tensor::from_vec(&[2, 3], vec![1i64, 1, 0, 0, 0, 0]).unwrap();
        let step = MeanPool { mask: Some("attention_mask".to_owned()) };
        let pooled = step.apply(tensor, &mut context(mask)).unwrap().into_tensor().unwrap();
        assert_eq!(pooled, Tensor::from_vec(&[2, 2], vec![2.0f32, 3.0, 0.0, 0.0]).unwrap());
    }

    #[test]
    fn a_mask_that_is_not_there_or_does_not_fit_is_an_error() {
        let tensor = || Item::Tensor(Tensor::zeros(lehr_tensor::DataType::F32, &[1, 3, 2]).unwrap());
        let mask = Tensor::from_vec(&[1, 2], vec![1i64, 1]).unwrap();
        let step = |mask: &str| MeanPool { mask: Some(mask.to_owned()) };
        let problem = step("x").apply(tensor(), &mut context(mask.clone())).unwrap_err().to_string();
        assert_eq!(problem, "parameter 'mask': expected an input of the model: attention_mask, got x");
        let problem = step("attention_mask").apply(tensor(), &mut context(mask)).unwrap_err().to_string();
        assert_eq!(problem, "expected mask 'attention_mask' of shape [1, 3], got a tensor i64[1, 2]");
    }
}
