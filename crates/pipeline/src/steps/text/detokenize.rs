//! `detokenize`: the ids that a model gives become text.

use lehr_tensor::Tensor;
use serde::{Deserialize, Serialize};
use tokenizers::Tokenizer;

use super::tokenizer_file;
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, Text};

const EXPECTED: &str = "a tensor of integers whose last axis is not empty";

/// `{ op = "detokenize", file = "tokenizer.json" }`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detokenize {
    file: String,
    /// Whether tokens such as `[CLS]` are left out.
    #[serde(default = "yes")]
    skip_special_tokens: bool,
}

fn yes() -> bool {
    true
}

impl Spec for Detokenize {
    const OP: &'static str = "detokenize";
    const SUMMARY: &'static str = "ids along the last axis become text";

    fn build(self, files: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let tokenizer = tokenizer_file::read(&self.file, files)?;
        Ok(Box::new(Loaded { tokenizer, skip_special_tokens: self.skip_special_tokens }))
    }
}

#[derive(Debug)]
struct Loaded {
    tokenizer: Tokenizer,
    skip_special_tokens: bool,
}

impl Loaded {
    fn decode(&self, ids: &[i64]) -> Result<Item, StepError> {
        let ids = ids.iter().map(|&id| self.known(id)).collect::<Result<Vec<_>, _>>()?;
        let text = tokenizer_file::guarded(|| self.tokenizer.decode(&ids, self.skip_special_tokens));
        let first = text.map_err(|problem| {
            StepError::malformed(format!("the tokenizer can not join these ids: {problem}"))
        })?;
        Ok(Item::Text(Text { first, second: None }))
    }

    fn known(&self, id: i64) -> Result<u32, StepError> {
        let known = u32::try_from(id).ok().filter(|id| self.tokenizer.id_to_token(*id).is_some());
        known.ok_or_else(|| {
            let count = self.tokenizer.get_vocab_size(true);
            StepError::malformed(format!("id {id} is not in the tokenizer's vocabulary of {count} tokens"))
        })
    }
}

impl Step for Loaded {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let tensor = input.tensor()?;
        let is_other = tensor.dtype.is_some_and(|dtype| !dtype.is_int());
        input.demand(EXPECTED, !is_other)?;
        match tensor.shape.as_deref() {
            Some([]) => Err(StepError::kind(EXPECTED, input)),
            Some([rows @ .., _]) if rows.iter().all(|size| *size == Some(1)) => Ok(ItemType::Text),
            _ => Ok(ItemType::List(Box::new(ItemType::Text))),
        }
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let tensor = item.into_tensor()?;
        let (ids, width) = ids(&tensor)?;
        let rows = ids.chunks_exact(width).map(|row| self.decode(row));
        Ok(Item::from_rows(rows.collect::<Result<_, _>>()?))
    }
}

/// All ids, and how many are in each row.
fn ids(tensor: &Tensor) -> Result<(Vec<i64>, usize), StepError> {
    match (tensor.to_i64s(), tensor.shape().last()) {
        (Ok(ids), Some(&width)) if width > 0 && tensor.dtype().is_int() => Ok((ids, width)),
        _ => Err(StepError::kind(EXPECTED, Item::Tensor(tensor.clone()).ty())),
    }
}
