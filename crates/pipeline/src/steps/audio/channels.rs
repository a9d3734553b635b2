//! Recordings with any number of channels, or with one.

use crate::{Audio, Item, ItemType, StepError};

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

/// The recording with every channel changed in place, given its index.
///
/// # Errors
/// [`StepError::Kind`] when it is none; as [`Audio::new`] when samples become infinite.
pub fn each_channel(item: Item, mut change: impl FnMut(usize, &mut [f32])) -> Result<Item, StepError> {
    let audio = item.into_audio()?;
    let rate = audio.rate();
    let mut channels = audio.into_channels();
    channels.iter_mut().enumerate().for_each(|(index, channel)| change(index, channel));
    Ok(Item::Audio(Audio::new(rate, channels)?))
}

fn several(channels: usize) -> StepError {
    StepError::kind("a recording with one channel (step 'mono')", format!("one with {channels}"))
}
