//! `tokenize`: text becomes the ids of its tokens, as the file `tokenizer.json` of Hugging Face's library says.

use lehr_tensor::{DataType, Tensor};
use serde::{Deserialize, Serialize};
use tokenizers::processors::PostProcessorWrapper;
use tokenizers::{Encoding, PostProcessor, Tokenizer};

use super::padding::{Filling, Padding, Rows};
use super::tokenizer_file;
use super::truncation::{Limit, Truncation};
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, TensorType, Text};

/// The largest number of tokens that may be asked for.
pub(super) const MAX_LENGTH: usize = 1 << 20;

/// The largest text, in bytes: a token takes about a hundred bytes while it is worked on.
const MAX_TEXT: usize = 4 << 20;

/// `{ op = "tokenize", file = "tokenizer.json", max_length = 128, padding = "max_length" }`
///
/// Where a parameter is absent, what the file says holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokenize {
    file: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_length: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) truncation: Option<Truncation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) truncation_side: Option<Side>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) padding: Option<Padding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) padding_side: Option<Side>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) multiple_of: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pad_id: Option<u32>,
    #[serde(default = "yes")]
    pub(super) add_special_tokens: bool,
}

fn yes() -> bool {
    true
}

/// An end of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Side {
    /// The beginning.
    Left,
    /// The end.
    Right,
}

impl Spec for Tokenize {
    const OP: &'static str = "tokenize";
    const SUMMARY: &'static str = "text becomes the ids of its tokens, with mask and types";

    fn build(self, files: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let mut tokenizer = tokenizer_file::read(&self.file, files)?;
        let processor = tokenizer.get_post_processor().cloned();
        let added = match &processor {
            Some(processor) if self.add_special_tokens => {
                [false, true].map(|is_pair| processor.added_tokens(is_pair))
            }
            _ => [0, 0],
        };
        let limit = Limit::of(&self, &tokenizer, added[0].max(added[1]))?;
        let filling = Filling::of(&self, &tokenizer, limit.map(|limit| limit.max_length))?;
        // What comes behind the splitting is done here: only here it is known what is given together.
        tokenizer.with_post_processor(None::<PostProcessorWrapper>).with_padding(None);
        tokenizer.with_truncation(None).map_err(StepError::malformed)?;
        let add_special_tokens = self.add_special_tokens;
        Ok(Box::new(Loaded { tokenizer, processor, added, limit, filling, add_special_tokens }))
    }
}

#[derive(Debug)]
struct Loaded {
    tokenizer: Tokenizer,
    /// Puts special tokens around texts.
    processor: Option<PostProcessorWrapper>,
    /// Special tokens of a text, and of a pair.
    added: [usize; 2],
    limit: Option<Limit>,
    filling: Option<Filling>,
    add_special_tokens: bool,
}

impl Loaded {
    fn encode(&self, text: Text) -> Result<Encoding, StepError> {
        let size = text.first.len() + text.second.as_ref().map_or(0, String::len);
        if size > MAX_TEXT {
            return Err(StepError::TooLarge {
                what: "bytes of text",
                limit: MAX_TEXT as u64,
                got: size as u64,
            });
        }
        let mut first = self.split(text.first)?;
        let mut second = text.second.map(|second| self.split(second)).transpose()?;
        if let Some(limit) = &self.limit {
            let added = self.added[usize::from(second.is_some())];
            limit.apply(&mut first, second.as_mut(), added)?;
        }
        self.join(first, second)
    }

    fn split(&self, text: String) -> Result<Encoding, StepError> {
        let encoded = tokenizer_file::guarded(|| self.tokenizer.encode_fast(text, false));
        encoded.map_err(|problem| {
            StepError::malformed(format!("the tokenizer can not split this text: {problem}"))
        })
    }

    /// Both texts in one row, with their special tokens.
    fn join(&self, first: Encoding, second: Option<Encoding>) -> Result<Encoding, StepError> {
        if let Some(processor) = &self.processor {
            let joined =
                tokenizer_file::guarded(|| processor.process(first, second, self.add_special_tokens));
            return joined.map_err(|problem| {
                StepError::malformed(format!("the tokenizer can not add its special tokens: {problem}"))
            });
        }
        let second = second.map(|mut second| {
            second.set_type_ids(vec![1; second.len()]);
            second
        });
        Ok(Encoding::merge([first].into_iter().chain(second), false))
    }

    /// The number of tokens of each row, if it does not depend on the text.
    fn length(&self) -> Option<usize> {
        let filling = self.filling.as_ref()?;
        let fixed = filling.fixed?;
        self.limit.is_some_and(|limit| limit.max_length <= fixed).then(|| filling.length(fixed))
    }
}

impl Step for Loaded {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let rows = match input {
            ItemType::Text => Some(1),
            ItemType::List(item) if **item == ItemType::Text => None,
            other => return Err(StepError::kind("text", other)),
        };
        let ty = TensorType::new(DataType::I64, vec![rows, self.length()]);
        let names = ["ids", "mask", "types"];
        Ok(ItemType::Tensors(names.map(|name| (name.to_owned(), ty.clone())).into()))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let encodings =
            texts(item)?.into_iter().map(|text| self.encode(text)).collect::<Result<Vec<_>, _>>()?;
        let longest = encodings.iter().map(Encoding::len).max().unwrap_or_default();
        let length = self.filling.map_or(longest, |filling| filling.length(longest));
        if let (None, Some(other)) = (self.filling, encodings.iter().find(|e| e.len() != longest)) {
            let expected = "texts of one number of tokens, as they are given together without padding";
            return Err(StepError::kind(expected, format!("{longest} and {} tokens", other.len())));
        }
        let mut rows = Rows::default();
        for encoding in &encodings {
            rows.push(encoding, length, self.filling.as_ref());
        }
        let shape = [encodings.len(), length];
        let tensors = [("ids", rows.ids), ("mask", rows.mask), ("types", rows.types)];
        let tensors = tensors.map(|(name, row)| Ok((name.to_owned(), Tensor::from_vec(&shape, row)?)));
        tensors.into_iter().collect::<Result<_, StepError>>().map(Item::Tensors)
    }
}

/// A text, or those of a list.
fn texts(item: Item) -> Result<Vec<Text>, StepError> {
    let one = |item: Item| match item {
        Item::Text(text) => Ok(text),
        other => Err(StepError::kind("text", other.ty())),
    };
    match item {
        Item::List(items) => items.into_iter().map(one).collect(),
        item => one(item).map(|text| vec![text]),
    }
}
