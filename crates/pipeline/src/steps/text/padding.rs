//! What `tokenize` fills short texts up with, and to which length.

use serde::{Deserialize, Serialize};
use tokenizers::{PaddingDirection, PaddingStrategy, Tokenizer};

use super::tokenize::{MAX_LENGTH, Side, Tokenize};
use crate::StepError;

/// Up to which length texts are filled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Padding {
    /// Not at all.
    None,
    /// To the longest of the texts that are given together.
    Longest,
    /// To `max_length`.
    MaxLength,
}

/// Tokens that usually stand for nothing, for tokenizers that do not say which one does.
const USUAL_TOKENS: [&str; 2] = ["[PAD]", "<pad>"];

/// How sequences of one tensor get one length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filling {
    /// The length, unless it is that of the longest sequence.
    pub(super) fixed: Option<usize>,
    multiple_of: usize,
    at: Side,
    pad_id: i64,
    pad_type: i64,
}

impl Filling {
    /// What the parameters and, where they say nothing, the file ask for; `None` for no padding.
    ///
    /// # Errors
    /// [`StepError::Parameter`].
    pub(super) fn of(
        spec: &Tokenize,
        tokenizer: &Tokenizer,
        max_length: Option<usize>,
    ) -> Result<Option<Self>, StepError> {
        let in_file = tokenizer.get_padding();
        let fixed = match (spec.padding, in_file.map(|params| &params.strategy)) {
            (Some(Padding::None), _) | (None, None) => return Ok(None),
            (Some(Padding::Longest), _) | (None, Some(PaddingStrategy::BatchLongest)) => None,
            (None, Some(PaddingStrategy::Fixed(length))) => Some(*length),
            (Some(Padding::MaxLength), _) => Some(
                max_length
                    .ok_or_else(|| StepError::parameter("max_length", "the length to fill up to", "none"))?,
            ),
        };
        let multiple_of = spec.multiple_of.or(in_file.and_then(|params| params.pad_to_multiple_of));
        for (name, length) in [("multiple_of", multiple_of), ("max_length", fixed)] {
            if length.is_some_and(|length| !(1..=MAX_LENGTH).contains(&length)) {
                let got = length.unwrap_or_default();
                return Err(StepError::parameter(name, format!("from 1 to {MAX_LENGTH}"), got));
            }
        }
        let at = match (spec.padding_side, in_file.map(|params| params.direction)) {
            (Some(side), _) => side,
            (None, Some(PaddingDirection::Left)) => Side::Left,
            (None, _) => Side::Right,
        };
        let usual = || USUAL_TOKENS.iter().find_map(|token| tokenizer.token_to_id(token));
        let pad_id = spec.pad_id.or(in_file.map(|params| params.pad_id)).or_else(usual);
        let pad_id = pad_id.ok_or_else(|| {
            let expected =
                format!("the id to fill up with, as there is no token {}", USUAL_TOKENS.join(" or "));
            StepError::parameter("pad_id", expected, "none")
        })?;
        let pad_type = in_file.map_or(0, |params| i64::from(params.pad_type_id));
        let multiple_of = multiple_of.unwrap_or(1);
        Ok(Some(Self { fixed, multiple_of, at, pad_id: i64::from(pad_id), pad_type }))
    }

    /// The length of all sequences when the longest has this many tokens.
    pub(super) fn length(&self, longest: usize) -> usize {
        self.fixed.unwrap_or(longest).max(longest).next_multiple_of(self.multiple_of)
    }
}

/// The ids, mask and types of several texts, each row as long as the others.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) ids: Vec<i64>,
    pub(super) mask: Vec<i64>,
    pub(super) types: Vec<i64>,
}

impl Rows {
    /// Adds a row of what the tokenizer gave, filled up to `length`.
    pub(super) fn push(&mut self, encoding: &tokenizers::Encoding, length: usize, filling: Option<&Filling>) {
        let missing = length.saturating_sub(encoding.len());
        let (before, after) = match filling.map(|filling| filling.at) {
            Some(Side::Left) => (missing, 0),
            _ => (0, missing),
        };
        let (pad_id, pad_type) = filling.map_or((0, 0), |filling| (filling.pad_id, filling.pad_type));
        append(&mut self.ids, encoding.get_ids(), (before, after), pad_id);
        append(&mut self.mask, encoding.get_attention_mask(), (before, after), 0);
        append(&mut self.types, encoding.get_type_ids(), (before, after), pad_type);
    }
}

fn append(row: &mut Vec<i64>, values: &[u32], (before, after): (usize, usize), pad: i64) {
    row.extend(std::iter::repeat_n(pad, before));
    row.extend(values.iter().map(|&value| i64::from(value)));
    row.extend(std::iter::repeat_n(pad, after));
}
