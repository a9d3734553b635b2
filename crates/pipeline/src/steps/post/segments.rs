//! `segments`: probabilities of frames become stretches of time.
//!
//! The rules of [silero-vad](https://github.com/snakers4/silero-vad) 6 (`get_speech_timestamps`).

use serde::{Deserialize, Serialize};

use crate::{AudioFacts, Context, Files, Item, ItemType, Segment, Spec, Step, StepError};

/// `{ op = "segments", threshold = 0.5 }`: a tensor with one probability for each frame of the recording.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segments {
    /// A stretch begins with a probability of at least this.
    #[serde(default = "half")]
    threshold: f64,
    /// It ends with probabilities below this; `threshold` - 0.15 without it, but at least 0.01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    negative_threshold: Option<f64>,
    /// Shorter stretches are left out.
    #[serde(default = "min_speech")]
    min_speech_ms: f64,
    /// Shorter pauses do not end a stretch.
    #[serde(default = "min_silence")]
    min_silence_ms: f64,
    /// What is added on both sides.
    #[serde(default = "speech_pad")]
    speech_pad_ms: f64,
    /// Longer stretches are cut, where possible in their longest pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_speech_s: Option<f64>,
    /// Pauses that are longer than this are good for such a cut.
    #[serde(default = "min_silence_at_cut")]
    min_silence_at_cut_ms: f64,
    /// Samples from one probability to the next; as the recording was cut into frames without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hop: Option<usize>,
}

fn half() -> f64 {
    0.5
}

fn min_speech() -> f64 {
    250.0
}

fn min_silence() -> f64 {
    100.0
}

fn speech_pad() -> f64 {
    30.0
}

fn min_silence_at_cut() -> f64 {
    98.0
}

impl Spec for Segments {
    const OP: &'static str = "segments";
    const SUMMARY: &'static str = "probabilities of the frames of a recording become segments of time";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let not_negative = [
            ("min_speech_ms", self.min_speech_ms),
            ("min_silence_ms", self.min_silence_ms),
            ("speech_pad_ms", self.speech_pad_ms),
            ("min_silence_at_cut_ms", self.min_silence_at_cut_ms),
        ];
        for (name, value) in not_negative {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(StepError::parameter(name, "a number of at least 0", value));
            }
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return Err(StepError::parameter("threshold", "0 to 1", self.threshold));
        }
        if let Some(value) = self.negative_threshold.filter(|value| !(0.0..=self.threshold).contains(value)) {
            let expected = format!("0 to {} (the threshold)", self.threshold);
            return Err(StepError::parameter("negative_threshold", expected, value));
        }
        if let Some(value) = self.max_speech_s.filter(|value| !(*value > 0.0 && value.is_finite())) {
            return Err(StepError::parameter("max_speech_s", "a number above 0", value));
        }
        match self.hop {
            Some(0) => Err(StepError::parameter("hop", "at least 1", 0)),
            _ => Ok(Box::new(self)),
        }
    }
}

impl Step for Segments {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let long_axes =
            input.tensor()?.shape.iter().flatten().filter(|size| size.is_some_and(|size| size > 1));
        input.demand("a tensor with one probability for each frame", long_axes.count() <= 1)?;
        Ok(ItemType::Segments)
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let probabilities = probabilities(item)?;
        let facts = context.audio.ok_or_else(|| {
            StepError::malformed("no step of the inputs says how the recording was cut into frames ('frame')")
        })?;
        let facts = AudioFacts { hop: self.hop.unwrap_or(facts.hop), ..facts };
        let last = probabilities.len().saturating_sub(1);
        if last.checked_mul(facts.hop).is_none_or(|start| start > facts.samples) {
            return Err(StepError::malformed(format!(
                "{} probabilities, one every {} samples, do not fit to a recording of {} samples",
                probabilities.len(),
                facts.hop,
                facts.samples
            )));
        }
        let mut stretches = Detector::new(self, facts).detect(&probabilities);
        self.pad(&mut stretches, facts);
        let rate = f64::from(facts.rate);
        let segment = |stretch: Stretch| Segment {
            start: stretch.start / rate,
            end: stretch.end / rate,
            score: None,
            label: None,
        };
        Ok(Item::Segments(stretches.into_iter().map(segment).collect()))
    }
}

/// The numbers of a tensor of which at most one axis is longer than 1.
fn probabilities(item: Item) -> Result<Vec<f64>, StepError> {
    let tensor = item.into_tensor()?;
    if tensor.shape().iter().filter(|size| **size != 1).count() > 1 {
        return Err(StepError::kind(
            "a tensor with one probability for each frame",
            Item::Tensor(tensor).ty(),
        ));
    }
    let values = tensor.to_f64s()?;
    match values.iter().position(|value| value.is_nan()) {
        Some(frame) => Err(StepError::malformed(format!("the probability of frame {frame} is NaN"))),
        None => Ok(values),
    }
}

/// A part of the recording, in samples. They are whole numbers; the type is that of the durations they are compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    start: f64,
    end: f64,
}

impl Stretch {
    fn duration(self) -> f64 {
        self.end - self.start
    }
}

impl Segments {
    fn pad(&self, stretches: &mut [Stretch], facts: AudioFacts) {
        let pad = samples(facts, self.speech_pad_ms);
        let length = facts.samples as f64;
        if let Some(first) = stretches.first_mut() {
            first.start = (first.start - pad).max(0.0).trunc();
        }
        for index in 1..stretches.len() {
            let pause = stretches[index].start - stretches[index - 1].end;
            if pause < 2.0 * pad {
                let half = (pause / 2.0).floor();
                stretches[index - 1].end += half;
                stretches[index].start -= half;
            } else {
                stretches[index - 1].end = (stretches[index - 1].end + pad).min(length).trunc();
                stretches[index].start = (stretches[index].start - pad).max(0.0).trunc();
            }
        }
        if let Some(last) = stretches.last_mut() {
            last.end = (last.end + pad).min(length).trunc();
        }
    }
}

/// The number of samples in a time, not rounded.
fn samples(facts: AudioFacts, milliseconds: f64) -> f64 {
    f64::from(facts.rate) * milliseconds / 1000.0
}

/// Walks over the probabilities. All durations are in samples.
struct Detector {
    threshold: f64,
    negative_threshold: f64,
    min_speech: f64,
    min_silence: f64,
    min_silence_at_cut: f64,
    max_speech: f64,
    facts: AudioFacts,
    /// Where the current stretch began.
    start: Option<f64>,
    /// Where a pause began which may end the current stretch.
    pause: Option<f64>,
    /// Pauses of the current stretch in which it may be cut.
    pauses: Vec<Stretch>,
    found: Vec<Stretch>,
}

impl Detector {
    fn new(rules: &Segments, facts: AudioFacts) -> Self {
        // Room for the frame in which the limit is passed and for the padding.
        let room = facts.hop as f64 + 2.0 * samples(facts, rules.speech_pad_ms);
        let max_speech = rules.max_speech_s.map(|seconds| f64::from(facts.rate) * seconds - room);
        Self {
            threshold: rules.threshold,
            negative_threshold: rules.negative_threshold.unwrap_or((rules.threshold - 0.15).max(0.01)),
            min_speech: samples(facts, rules.min_speech_ms),
            min_silence: samples(facts, rules.min_silence_ms),
            min_silence_at_cut: samples(facts, rules.min_silence_at_cut_ms),
            max_speech: max_speech.unwrap_or(f64::INFINITY),
            facts,
            start: None,
            pause: None,
            pauses: Vec::new(),
            found: Vec::new(),
        }
    }

    fn detect(mut self, probabilities: &[f64]) -> Vec<Stretch> {
        for (frame, probability) in probabilities.iter().enumerate() {
            self.frame((frame * self.facts.hop) as f64, *probability);
        }
        let end = self.facts.samples as f64;
        if let Some(start) = self.start {
            self.keep_long(Stretch { start, end });
        }
        self.found
    }

    fn frame(&mut self, now: f64, probability: f64) {
        if probability >= self.threshold {
            self.end_pause(now);
        }
        let Some(start) = self.start else {
            self.start = (probability >= self.threshold).then_some(now);
            return;
        };
        let start = if now - start > self.max_speech {
            let Some(start) = self.cut(start, now) else { return };
            start
        } else {
            start
        };
        if probability >= self.negative_threshold {
            return;
        }
        let end = *self.pause.get_or_insert(now);
        if now - end >= self.min_silence {
            self.keep_long(Stretch { start, end });
            self.begin(None);
        }
    }

    /// Speech goes on: the pause before it may serve for a cut.
    fn end_pause(&mut self, now: f64) {
        let pause = self.pause.take().map(|start| Stretch { start, end: now });
        self.pauses.extend(pause.filter(|pause| pause.duration() > self.min_silence_at_cut));
    }

    /// Ends a stretch that is too long at the first of its longest pauses, and says where the next one begins; without
    /// such a pause the stretch ends here.
    fn cut(&mut self, start: f64, now: f64) -> Option<f64> {
        let longest = self
            .pauses
            .iter()
            .copied()
            .reduce(|longest, pause| if pause.duration() > longest.duration() { pause } else { longest });
        let end = longest.map_or(now, |pause| pause.start);
        self.found.push(Stretch { start, end });
        self.begin(longest.map(|pause| pause.end));
        self.start
    }

    fn begin(&mut self, start: Option<f64>) {
        self.start = start;
        self.pause = None;
        self.pauses.clear();
    }

    fn keep_long(&mut self, stretch: Stretch) {
        if stretch.duration() > self.min_speech {
            self.found.push(stretch);
        }
    }
}
