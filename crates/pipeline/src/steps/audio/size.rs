//! Limits on sizes, checked before memory is taken.

use crate::{Audio, Item, ItemType, StepError};

/// The most numbers that a recording or a tensor made of one may hold, 1 GiB of `f32`.
pub const MAX_NUMBERS: u64 = 1 << 28;

/// The product of sizes, which is about to be allocated.
///
/// # Errors
/// [`StepError::TooLarge`] above [`MAX_NUMBERS`].
pub fn allowed(what: &'static str, sizes: &[usize]) -> Result<usize, StepError> {
    let product =
        sizes.iter().try_fold(1u64, |product, &size| product.checked_mul(u64::try_from(size).ok()?));
    match product.and_then(|got| Some((got, usize::try_from(got).ok()?))) {
        Some((got, product)) if got <= MAX_NUMBERS => Ok(product),
        other => {
            Err(StepError::TooLarge { what, limit: MAX_NUMBERS, got: other.map_or(u64::MAX, |(got, _)| got) })
        }
    }
}

/// What is known of a recording: its rate and its channels.
///
/// # Errors
/// [`StepError::Kind`] when it is none.
pub fn audio_type(input: &ItemType) -> Result<(Option<u32>, Option<usize>), StepError> {
    match input {
        ItemType::Audio { rate, channels } => Ok((*rate, *channels)),
        other => Err(StepError::kind("a recording", other)),
    }
}

/// Fails when a recording is known to have several channels.
///
/// # Errors
/// [`StepError::Kind`].
pub fn infer_single_channel(input: &ItemType) -> Result<(), StepError> {
    match audio_type(input)? {
        (_, Some(channels)) if channels != 1 => Err(several(channels)),
        _ => Ok(()),
    }
}

/// A recording of one channel.
///
/// # Errors
/// [`StepError::Kind`] when it is none or has several.
pub fn single_channel(item: Item) -> Result<Audio, StepError> {
    let audio = item.into_audio()?;
    match audio.channels().len() {
        1 => Ok(audio),
        channels => Err(several(channels)),
    }
}

fn several(channels: usize) -> StepError {
    StepError::kind("a recording with one channel (step 'mono')", format!("one with {channels}"))
}
