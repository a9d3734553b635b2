//! `first_token`: what a model says of the first token stands for the text.

use lehr_tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::sequence::{Sequences, infer_pooled};
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError};

/// `{ op = "first_token" }`, for models that were trained with a token `[CLS]` in front.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstToken {}

impl Spec for FirstToken {
    const OP: &'static str = "first_token";
    const SUMMARY: &'static str = "what the model says of the first token of each text";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(self))
    }
}

impl Step for FirstToken {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        infer_pooled(input)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let sequences = Sequences::of(item)?;
        let first: Vec<f32> =
            sequences.iter().flat_map(|tokens| tokens.iter().take(sequences.width).copied()).collect();
        Ok(Item::Tensor(Tensor::from_vec(&[sequences.count, sequences.width], first)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_of_each_text_is_kept() {
        let values: Vec<f32> = (0..12u8).map(f32::from).collect();
        let tensor = Item::Tensor(Tensor::from_vec(&[2, 3, 2], values).unwrap());
        let first = FirstToken {}.apply(tensor, &mut Context::default()).unwrap().into_tensor().unwrap();
        assert_eq!(first, Tensor::from_vec(&[2, 2], vec![0.0f32, 1.0, 6.0, 7.0]).unwrap());
        let flat = Item::Tensor(Tensor::vector(vec![1.0f32]));
        let problem = FirstToken {}.apply(flat, &mut Context::default()).unwrap_err().to_string();
        assert_eq!(
            problem,
            "expected a tensor [texts, tokens, width] that is not empty, got a tensor f32[1]"
        );
    }
}
