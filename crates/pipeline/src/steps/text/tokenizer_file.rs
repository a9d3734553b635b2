//! The file `tokenizer.json` of Hugging Face's library, read with the same library.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokenizers::{ModelWrapper, Tokenizer};

use crate::{Files, StepError};

/// Reads a tokenizer.
///
/// # Errors
/// [`StepError::File`] when it is none, or one that does not always give the same ids.
pub(super) fn read(file: &str, files: &dyn Files) -> Result<Tokenizer, StepError> {
    let bytes = files.read(file)?;
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
