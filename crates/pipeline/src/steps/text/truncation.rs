//! How `tokenize` cuts texts that have too many tokens.

use serde::{Deserialize, Serialize};
use tokenizers::{PostProcessor, Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy};

use super::tokenize::{MAX_LENGTH, Side, Tokenize};
use crate::StepError;

/// Which text of a pair is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Truncation {
    /// The longer one, then both alike.
    LongestFirst,
    /// The first one.
    OnlyFirst,
    /// The second one.
    OnlySecond,
    /// None: a text that is longer than `max_length` is refused.
    None,
}

/// Sets how the tokenizer cuts, and gives the most tokens that may come out, if there is a limit.
///
/// # Errors
/// [`StepError::Parameter`] when nothing of the text would be left.
pub(super) fn apply(spec: &Tokenize, tokenizer: &mut Tokenizer) -> Result<Option<usize>, StepError> {
    let in_file = tokenizer.get_truncation().cloned();
    let max_length = spec.max_length.or(in_file.as_ref().map(|params| params.max_length));
    let strategy = match spec.truncation {
        Some(Truncation::None) => None,
        Some(Truncation::LongestFirst) => Some(TruncationStrategy::LongestFirst),
        Some(Truncation::OnlyFirst) => Some(TruncationStrategy::OnlyFirst),
        Some(Truncation::OnlySecond) => Some(TruncationStrategy::OnlySecond),
        None => Some(in_file.as_ref().map_or(TruncationStrategy::LongestFirst, |params| params.strategy)),
    };
    let direction = match spec.truncation_side {
        Some(Side::Left) => TruncationDirection::Left,
        Some(Side::Right) => TruncationDirection::Right,
        None => in_file.map_or(TruncationDirection::Right, |params| params.direction),
    };
    let params = match (max_length, strategy) {
        (None, Some(_)) if spec.truncation.is_some() => {
            return Err(StepError::parameter("max_length", "a number of tokens to cut at", "none"));
        }
        (None, _) | (_, None) => None,
        (Some(max_length), Some(strategy)) => {
            check(max_length, tokenizer, spec.add_special_tokens)?;
            Some(TruncationParams { max_length, strategy, direction, stride: 0 })
        }
    };
    tokenizer.with_truncation(params).map_err(StepError::malformed)?;
    // A limit that only the file states is of no meaning when texts are not to be cut.
    Ok(if strategy.is_some() { max_length } else { spec.max_length })
}

/// The library subtracts the special tokens from the length without looking.
fn check(max_length: usize, tokenizer: &Tokenizer, add_special_tokens: bool) -> Result<(), StepError> {
    let added = tokenizer
        .get_post_processor()
        .map_or(0, |processor| processor.added_tokens(false).max(processor.added_tokens(true)));
    let least = if add_special_tokens { added + 1 } else { added.max(1) };
    if (least..=MAX_LENGTH).contains(&max_length) {
        return Ok(());
    }
    let expected = format!("from {least} (with {added} special tokens) to {MAX_LENGTH}");
    Err(StepError::parameter("max_length", expected, max_length))
}
