//! Tells while a recording goes on whether somebody speaks: chunk by chunk, with the model's state carried along.
//!
//! `cargo run --release -p lehr --example voice_activity -- silero_vad.onnx RECORDING.wav`
//!
//! For whole files the pipeline in `examples/voice-activity` does the same and gives segments:
//! `lehr run silero_vad.onnx RECORDING.wav --pipeline examples/voice-activity/pipeline.toml`.

use lehr::pipeline::{Context, Item, NoFiles, Step, steps};
use lehr::tensor::Bytes;
use lehr::{Feeds, Model, ModelOptions, Session, Tensor};

type Failure = Box<dyn std::error::Error>;

const RATE: u32 = 16_000;
/// Samples of a chunk.
const CHUNK: usize = 512;
/// Samples of the chunk before that the model sees again.
const OVERLAP: usize = 64;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, recording] = arguments.as_slice() else {
        return Err("usage: voice_activity silero_vad.onnx RECORDING.wav".into());
    };
    let mut listener = Listener {
        session: Model::load(model)?
            .session(&ModelOptions { threads: Some(1), ..ModelOptions::default() })?,
        state: Tensor::from_vec(&[2, 1, 128], vec![0.0f32; 256])?,
        tail: vec![0.0; OVERLAP],
    };
    let samples = samples(recording)?;
    let mut speaking = false;
    for (index, chunk) in samples.chunks_exact(CHUNK).enumerate() {
        let probability = listener.hear(chunk)?;
        // Less is needed to go on than to begin.
        let speaks = probability >= if speaking { 0.35 } else { 0.5 };
        if speaks != speaking {
            let seconds = (index * CHUNK) as f64 / f64::from(RATE);
            println!("{seconds:7.2} s  {}", if speaks { "somebody speaks" } else { "silence" });
        }
        speaking = speaks;
    }
    Ok(())
}

/// The model and what it remembers of the chunks before.
struct Listener {
    session: Session,
    state: Tensor,
    tail: Vec<f32>,
}

impl Listener {
    /// The probability that somebody speaks in this chunk.
    fn hear(&mut self, chunk: &[f32]) -> Result<f32, Failure> {
        let heard = [&self.tail, chunk].concat();
        self.tail = heard[heard.len() - OVERLAP..].to_vec();
        let feeds = Feeds::new()
            .with("input", Tensor::from_vec(&[1, heard.len()], heard)?)
            .with("state", self.state.clone())
            .with("sr", Tensor::scalar(i64::from(RATE)));
        let outputs = self.session.run(feeds)?;
        self.state = outputs.tensor("stateN").ok_or("expected the output stateN")?.clone();
        Ok(outputs.tensor("output").ok_or("expected the output output")?.as_slice::<f32>()?[0])
    }
}

/// The recording with one channel at the model's rate, by steps of a pipeline used one by one.
fn samples(path: &str) -> Result<Vec<f32>, Failure> {
    let mut item = Item::Bytes(Bytes::from(std::fs::read(path)?));
    let mut context = Context::default();
    for (op, parameters) in [("decode_audio", ""), ("mono", ""), ("resample", "rate = 16000")] {
        let step: Box<dyn Step> = steps::find(op).ok_or(op)?.build(parameters.parse()?, &NoFiles)?;
        item = step.apply(item, &mut context)?;
    }
    let mut channels = item.into_audio()?.into_channels();
    channels.pop().ok_or_else(|| "expected a channel".into())
}
