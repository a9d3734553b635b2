//! The example `voice-activity` and the step `segments`, against silero-vad (`scripts/record_voice_activity.py`).

use std::path::PathBuf;

use lehr_pipeline::{AudioFacts, Context, Item, NoFiles, Pipeline, Segment, Source};
use lehr_tensor::Tensor;

use crate::golden::Golden;

fn example(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/voice-activity").join(file)
}

/// Segments in samples.
fn in_samples(item: Option<&Item>) -> Vec<i32> {
    let Some(Item::Segments(segments)) = item else { panic!("expected segments, got {item:?}") };
    let edges = segments.iter().flat_map(|Segment { start, end, .. }| [start, end]);
    edges.map(|seconds| (seconds * 16000.0).round() as i32).collect()
}

fn recorded(golden: &Golden, name: &str) -> Vec<i32> {
    golden.tensor(name).as_slice::<i32>().unwrap().into_owned()
}

#[test]
fn the_recording_becomes_frames_and_probabilities_become_the_segments_of_silero_vad() {
    let golden = Golden::open("voice_activity.npz");
    let pipeline = Pipeline::load(example("pipeline.toml")).unwrap();
    let prepared = pipeline.prepare(&Source::Path(example("speech.wav")), false).unwrap();
    let [(sr, rate), (input, frames)] = prepared.feeds.as_slice() else { panic!("{:?}", prepared.feeds) };
    assert_eq!((sr.as_str(), rate), ("sr", &Tensor::scalar(16000i64)));
    let probabilities = golden.tensor("probabilities");
    assert_eq!((input.as_str(), frames.shape()), ("input", &[probabilities.len(), 576][..]));
    let frame = frames.as_slice::<f32>().unwrap()[12 * 576..13 * 576].to_vec();
    assert_eq!(frame, golden.floats("frame_12"));

    let output = probabilities.reshape(&[probabilities.len(), 1]).unwrap();
    let answers = pipeline.finish(prepared.context, &[("output".to_owned(), output)]).unwrap();
    assert_eq!(in_samples(answers.get("speech")), recorded(&golden, "case_0"));
    assert!(answers.to_json().to_string().starts_with(r#"{"speech":[{"start":0.386,"end":1.534},"#));
}

#[test]
fn segments_are_those_of_silero_vad_under_all_settings() {
    let golden = Golden::open("voice_activity.npz");
    let probabilities = golden.floats("probabilities");
    let walks = golden.tensor("walks").as_slice::<u8>().unwrap().into_owned();
    let walks = walks.chunks(160).map(|walk| walk.iter().map(|value| f32::from(*value) / 255.0).collect());
    let settings = golden.tensor("settings").as_slice::<f64>().unwrap().into_owned();
    let settings: Vec<&[f64]> = settings.chunks(7).collect();
    let cases = settings.len() - walks.len();
    let names = (0..cases).map(|index| format!("case_{index}"));
    let names = names.chain((0..walks.len()).map(|index| format!("random_{index}")));
    let inputs = std::iter::repeat_n(probabilities, cases).chain(walks);
    for ((name, probabilities), setting) in names.zip(inputs).zip(settings) {
        let &[threshold, negative, speech, silence, pad, most, length] = setting else { unreachable!() };
        let most = if most.is_finite() { format!(", max_speech_s = {most:?}") } else { String::new() };
        let text = format!(
            "schema = 1\n[[output]]\nname = \"p\"\nsteps = [{{ op = \"segments\", threshold = {threshold:?}, \
             negative_threshold = {negative:?}, min_speech_ms = {speech:?}, min_silence_ms = {silence:?}, \
             speech_pad_ms = {pad:?}{most} }}]"
        );
        let pipeline = Pipeline::parse(&text, &NoFiles).unwrap();
        let facts = AudioFacts { rate: 16000, samples: length as usize, hop: 512 };
        let context = Context { audio: Some(facts), ..Context::default() };
        let answers = pipeline.finish(context, &[("p".to_owned(), Tensor::vector(probabilities))]).unwrap();
        assert_eq!(in_samples(answers.get("p")), recorded(&golden, &name), "{name}: {text}");
    }
}

#[test]
fn probabilities_that_can_not_be_of_this_recording_are_refused() {
    let text = "schema = 1\n[[output]]\nname = \"p\"\nsteps = [{ op = \"segments\" }]";
    let pipeline = Pipeline::parse(text, &NoFiles).unwrap();
    let problem = |audio: Option<AudioFacts>, tensor: Tensor| {
        let context = Context { audio, source: "a.wav".to_owned(), ..Context::default() };
        let error = pipeline.finish(context, &[("p".to_owned(), tensor)]).unwrap_err().to_string();
        error.strip_prefix("'a.wav': output 'p', step 1 (segments): ").unwrap().to_owned()
    };
    let facts = Some(AudioFacts { rate: 16000, samples: 1000, hop: 512 });
    assert_eq!(
        problem(None, Tensor::vector(vec![0.5f32])),
        "no step of the inputs says how the recording was cut into frames ('frame')"
    );
    assert_eq!(
        problem(facts, Tensor::vector(vec![0.5f32; 3])),
        "3 probabilities, one every 512 samples, do not fit to a recording of 1000 samples"
    );
    assert_eq!(problem(facts, Tensor::vector(vec![0.5, f32::NAN])), "the probability of frame 1 is NaN");
    assert_eq!(
        problem(facts, Tensor::zeros(lehr_tensor::DataType::F32, &[2, 2]).unwrap()),
        "expected a tensor with one probability for each frame, got a tensor f32[2, 2]"
    );
}
