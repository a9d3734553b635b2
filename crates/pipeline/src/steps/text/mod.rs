//! Text, up to the tensors that the model gets, and token ids back to text.

#[cfg(feature = "text")]
pub mod detokenize;
pub mod normalize_text;
#[cfg(feature = "text")]
mod padding;
pub mod split_pair;
#[cfg(feature = "text")]
pub mod tokenize;
#[cfg(feature = "text")]
mod tokenizer_file;
#[cfg(feature = "text")]
mod truncation;

use crate::{Item, StepError, Text};

/// Both texts of an item, or of every item of a list, changed.
fn each_text(item: Item, change: impl Fn(String) -> String) -> Result<Item, StepError> {
    item.each(|item| match item {
        Item::Text(Text { first, second }) => {
            Ok(Item::Text(Text { first: change(first), second: second.map(&change) }))
        }
        other => Err(StepError::kind("text", other.ty())),
    })
}
