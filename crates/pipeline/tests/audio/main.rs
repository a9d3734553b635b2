//! Steps of recordings against what torchaudio, librosa and silero-vad give; `../scripts` holds how it was recorded.

mod golden;
mod hostile;
mod resampling;
mod spectra;
mod voice_activity;

use lehr_pipeline::{Audio, Item, NoFiles, Pipeline, PipelineError, Source};
use lehr_tensor::Tensor;

/// What the steps make of a recording with one channel.
fn steps(steps: &str, rate: u32, samples: Vec<f32>) -> Result<Tensor, PipelineError> {
    let audio = Audio::new(rate, vec![samples]).unwrap();
    let text = format!("schema = 1\n[[input]]\nname = \"x\"\nkind = \"audio\"\nsteps = [{steps}]");
    let pipeline = Pipeline::parse(&text, &NoFiles)?;
    let mut prepared = pipeline.prepare(&Source::item(Item::Audio(audio)), false)?;
    Ok(prepared.feeds.remove(0).1)
}
