//! The file `tokenizer.json` of Hugging Face's library, read with the same library.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Deserialize;
use serde_json::Value;
use tokenizers::{ModelWrapper, Tokenizer};

use crate::{Files, StepError};

/// Reads a tokenizer.
///
/// # Errors
/// [`StepError::File`] when it is none, or one that does not always give the same ids.
pub(super) fn read(file: &str, files: &dyn Files) -> Result<Tokenizer, StepError> {
    let bytes = files.read(file)?;
    let outline: Outline = serde_json::from_slice(&bytes).map_err(|error| StepError::file(file, error))?;
    if let Some(problem) = oversized(&outline.normalizer) {
        return Err(StepError::file(file, problem));
    }
    let parsed = guarded(|| Tokenizer::from_bytes(bytes.as_ref()));
    let tokenizer = parsed.map_err(|problem| {
        StepError::file(file, format!("expected a tokenizer in the form of tokenizer.json: {problem}"))
    })?;
    if is_random(&tokenizer) {
        let problem = "expected a tokenizer without dropout or sampling, which give other ids every time";
        return Err(StepError::file(file, problem));
    }
    Ok(tokenizer)
}

/// The part of the file that is looked at before the library does.
#[derive(Deserialize)]
struct Outline {
    #[serde(default)]
    normalizer: Value,
}

/// What is wrong with tables of replaced characters, for which the library takes as much memory as they claim to need.
fn oversized(normalizer: &Value) -> Option<String> {
    match normalizer {
        Value::Array(parts) => parts.iter().find_map(oversized),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| match (name.as_str(), value) {
            ("precompiled_charsmap", Value::String(text)) => {
                let (claimed, there) = (first_u32(text)?, text.len() / 4 * 3);
                let expected =
                    format!("expected a table of characters of at most {there} bytes, got {claimed}");
                (claimed as usize > there).then_some(expected)
            }
            (_, value) => oversized(value),
        }),
        _ => None,
    }
}

/// The first four bytes of base 64 (RFC 4648), the lowest first.
fn first_u32(text: &str) -> Option<u32> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits = text.as_bytes().get(..6)?.iter();
    let bits =
        digits.map(|byte| digit(*byte)).try_fold(0u64, |bits, digit| Some(bits << 6 | u64::from(digit?)))?;
    u32::try_from(bits >> 4).ok().map(u32::swap_bytes)
}

/// Whether the same text may give other ids the next time: methods that are meant for training.
fn is_random(tokenizer: &Tokenizer) -> bool {
    match tokenizer.get_model() {
        ModelWrapper::BPE(model) => model.dropout.is_some_and(|dropout| dropout > 0.0),
        ModelWrapper::Unigram(model) => model.alpha.is_some_and(|alpha| alpha > 0.0),
        ModelWrapper::WordPiece(_) | ModelWrapper::WordLevel(_) => false,
    }
}

/// What the library says, with its panics turned into errors: it trusts files that are damaged.
pub(super) fn guarded<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("the file contradicts itself".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_table_is_read_before_it_is_believed() {
        assert_eq!(first_u32("BAMCAQ=="), Some(0x0102_0304));
        assert_eq!(first_u32("BAMC"), None);
        assert_eq!(first_u32("BA?CAQ=="), None);
        let normalizer = |charsmap: &str| serde_json::json!([{"inner": {"precompiled_charsmap": charsmap}}]);
        let problem = oversized(&normalizer("/////wAA")).unwrap();
        assert_eq!(problem, "expected a table of characters of at most 6 bytes, got 4294967295");
        assert_eq!(oversized(&normalizer("BAAAAAAAAAA=")), None);
    }
}
