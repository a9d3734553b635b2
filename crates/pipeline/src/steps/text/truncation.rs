//! How `tokenize` cuts texts that have too many tokens.
//!
//! The library can cut as well, but some of its versions stop reading a text where it will be cut, and then do not
//! know any more which text of a pair is the longer one.

use serde::{Deserialize, Serialize};
use tokenizers::{Encoding, Tokenizer, TruncationDirection, TruncationStrategy};

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

/// The most tokens that may come out, and what is done when there are more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) max_length: usize,
    which: Truncation,
    direction: TruncationDirection,
}

impl Limit {
    /// What the parameters and, where they say nothing, the file ask for; `None` for no limit. `added` special tokens
    /// come to the text, at most.
    ///
    /// # Errors
    /// [`StepError::Parameter`] when nothing of the text would be left.
    pub(super) fn of(
        spec: &Tokenize,
        tokenizer: &Tokenizer,
        added: usize,
    ) -> Result<Option<Self>, StepError> {
        let in_file = tokenizer.get_truncation();
        let max_length = match (spec.max_length, spec.truncation, in_file) {
            (Some(length), ..) => length,
            // A limit that only the file states is not meant to refuse texts.
            (None, Some(Truncation::None), _) | (None, None, None) => return Ok(None),
            (None, _, Some(params)) => params.max_length,
            (None, Some(_), None) => {
                return Err(StepError::parameter("max_length", "a number of tokens to cut at", "none"));
            }
        };
        if !(added + 1..=MAX_LENGTH).contains(&max_length) {
            let expected = format!("from {} (with {added} special tokens) to {MAX_LENGTH}", added + 1);
            return Err(StepError::parameter("max_length", expected, max_length));
        }
        let which = spec.truncation.unwrap_or(match in_file.map(|params| params.strategy) {
            None | Some(TruncationStrategy::LongestFirst) => Truncation::LongestFirst,
            Some(TruncationStrategy::OnlyFirst) => Truncation::OnlyFirst,
            Some(TruncationStrategy::OnlySecond) => Truncation::OnlySecond,
        });
        let direction = match (spec.truncation_side, in_file) {
            (Some(Side::Left), _) => TruncationDirection::Left,
            (Some(Side::Right), _) => TruncationDirection::Right,
            (None, params) => params.map_or(TruncationDirection::Right, |params| params.direction),
        };
        Ok(Some(Self { max_length, which, direction }))
    }

    /// Cuts a text and what it is paired with, so that with `added` special tokens they are not too long.
    ///
    /// # Errors
    /// [`StepError::TooLarge`] when the text that may be cut is shorter than what must go.
    pub(super) fn apply(
        &self,
        first: &mut Encoding,
        second: Option<&mut Encoding>,
        added: usize,
    ) -> Result<(), StepError> {
        let lengths = (first.len(), second.as_ref().map_or(0, |second| second.len()));
        let kept = self.kept(lengths, self.max_length.saturating_sub(added)).ok_or(StepError::TooLarge {
            what: "tokens of the text",
            limit: self.max_length as u64,
            got: (lengths.0 + lengths.1 + added) as u64,
        })?;
        self.cut(first, kept.0);
        if let Some(second) = second {
            self.cut(second, kept.1);
        }
        Ok(())
    }

    /// How many tokens of both texts are kept; `None` when it can not be done.
    fn kept(&self, (first, second): (usize, usize), limit: usize) -> Option<(usize, usize)> {
        let rest =
            |text: usize, other: usize| limit.checked_sub(other).filter(|left| *left > 0 && *left <= text);
        if first + second <= limit {
            return Some((first, second));
        }
        match self.which {
            Truncation::None => None,
            Truncation::OnlyFirst => rest(first, second).map(|left| (left, second)),
            Truncation::OnlySecond => rest(second, first).map(|left| (first, left)),
            Truncation::LongestFirst => {
                let shorter = first.min(second).min(limit / 2);
                let pair = (shorter, limit - shorter);
                Some(if first > second { (pair.1, pair.0) } else { pair })
            }
        }
    }

    fn cut(&self, encoding: &mut Encoding, length: usize) {
        encoding.truncate(length, 0, self.direction);
        // What was cut off would be joined again in every combination.
        encoding.take_overflowing();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_text_is_cut_first_and_an_odd_token_goes_to_it() {
        let kept = |lengths, which, max_length| {
            Limit { max_length, which, direction: TruncationDirection::Right }.kept(lengths, max_length)
        };
        assert_eq!(kept((3, 20), Truncation::LongestFirst, 11), Some((3, 8)));
        assert_eq!(kept((20, 3), Truncation::LongestFirst, 11), Some((8, 3)));
        assert_eq!(kept((19, 20), Truncation::LongestFirst, 11), Some((5, 6)));
        assert_eq!(kept((20, 19), Truncation::LongestFirst, 11), Some((6, 5)));
        assert_eq!(kept((20, 0), Truncation::LongestFirst, 11), Some((11, 0)));
        assert_eq!(kept((20, 3), Truncation::OnlyFirst, 11), Some((8, 3)));
        assert_eq!(kept((3, 20), Truncation::OnlyFirst, 11), None);
        assert_eq!(kept((3, 20), Truncation::OnlySecond, 11), Some((3, 8)));
        assert_eq!(kept((20, 0), Truncation::OnlySecond, 11), None);
        assert_eq!(kept((3, 9), Truncation::None, 11), None);
    }
}
