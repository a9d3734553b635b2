//! `ctc_beam`: the most likely text over all ways to align it with the frames.
//!
//! Prefix beam search without a language model, A. Hannun et al., "First-Pass Large Vocabulary Continuous Speech
//! Recognition using Bi-Directional Recurrent DNNs", 2014, algorithm 1; in logarithms.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::alphabet::Alphabet;
use super::frames::Frames;
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, Transcript};

/// `{ op = "ctc_beam", file = "alphabet.txt", width = 10 }`; the alphabet is given as for `ctc_greedy`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CtcBeam {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    characters: Option<String>,
    #[serde(default)]
    space: bool,
    #[serde(default)]
    blank: usize,
    #[serde(default = "default_width")]
    width: usize,
    #[serde(default)]
    input: Meaning,
}

fn default_width() -> usize {
    10
}

/// What the numbers of the tensor are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Meaning {
    #[default]
    Probabilities,
    LogProbabilities,
    Logits,
}

impl Spec for CtcBeam {
    const OP: &'static str = "ctc_beam";
    const SUMMARY: &'static str =
        "the most likely text over all alignments, by a beam search of `width` prefixes";

    fn build(self, files: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if !(1..=1000).contains(&self.width) {
            return Err(StepError::parameter("width", "1 to 1000", self.width));
        }
        let (file, characters) = (self.file.as_deref(), self.characters.as_deref());
        let alphabet = Alphabet::new(file, characters, self.space, self.blank, files)?;
        Ok(Box::new(Beam { alphabet, width: self.width, input: self.input }))
    }
}

#[derive(Debug)]
struct Beam {
    alphabet: Alphabet,
    width: usize,
    input: Meaning,
}

/// Logarithms of the probability of a prefix, by what the last frame was.
#[derive(Clone, Copy, Debug)]
struct Mass {
    blank: f64,
    symbol: f64,
}

const NONE: Mass = Mass { blank: f64::NEG_INFINITY, symbol: f64::NEG_INFINITY };

impl Mass {
    fn total(self) -> f64 {
        log_add(self.blank, self.symbol)
    }
}

impl Step for Beam {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        Frames::infer(input, &self.alphabet)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let frames = Frames::of(item, &self.alphabet)?;
        let lines = frames.lines().map(|line| Item::Transcript(self.decode(line)));
        Ok(Item::from_rows(lines.collect()))
    }
}

impl Beam {
    /// The score is the geometric mean of the text's probability over its symbols.
    fn decode<'a>(&self, line: impl Iterator<Item = &'a [f32]>) -> Transcript {
        let mut beam: Vec<(Vec<usize>, Mass)> = vec![(Vec::new(), Mass { blank: 0.0, ..NONE })];
        for frame in line {
            beam = self.advance(beam, &self.logarithms(frame));
        }
        let Some((classes, mass)) = beam.first() else {
            return Transcript { text: String::new(), score: 0.0 };
        };
        let text = classes.iter().map(|class| self.alphabet.symbol(*class)).collect();
        Transcript { text, score: (mass.total() / classes.len().max(1) as f64).exp() as f32 }
    }

    /// The best prefixes after one more frame, the best first.
    fn advance(&self, beam: Vec<(Vec<usize>, Mass)>, frame: &[f64]) -> Vec<(Vec<usize>, Mass)> {
        let blank = self.alphabet.blank();
        let symbols = self.candidates(&beam, frame);
        let mut next = BTreeMap::<Vec<usize>, Mass>::new();
        for (prefix, mass) in beam {
            let total = mass.total();
            let stays = next.entry(prefix.clone()).or_insert(NONE);
            stays.blank = log_add(stays.blank, total + frame[blank]);
            if let Some(&last) = prefix.last() {
                stays.symbol = log_add(stays.symbol, mass.symbol + frame[last]);
            }
            for &symbol in &symbols {
                // The same symbol again is a new one only behind a blank.
                let before = if prefix.last() == Some(&symbol) { mass.blank } else { total };
                let longer = prefix.iter().copied().chain([symbol]).collect();
                let longer = next.entry(longer).or_insert(NONE);
                longer.symbol = log_add(longer.symbol, before + frame[symbol]);
            }
        }
        let mut next: Vec<_> = next.into_iter().collect();
        next.sort_by(|a, b| b.1.total().total_cmp(&a.1.total()));
        next.truncate(self.width);
        next
    }

    /// Symbols that may bring a prefix into the beam: the likeliest ones (a prefix with any other is worse than `width`
    /// others), and those that lead from one prefix of the beam to another.
    fn candidates(&self, beam: &[(Vec<usize>, Mass)], frame: &[f64]) -> BTreeSet<usize> {
        let mut order: Vec<usize> =
            (0..frame.len()).filter(|class| *class != self.alphabet.blank()).collect();
        let count = self.width + 1;
        if order.len() > count {
            order.select_nth_unstable_by(count, |a, b| frame[*b].total_cmp(&frame[*a]).then(a.cmp(b)));
            order.truncate(count);
        }
        order.into_iter().chain(beam.iter().filter_map(|(prefix, _)| prefix.last().copied())).collect()
    }

    fn logarithms(&self, frame: &[f32]) -> Vec<f64> {
        let number = |value: &f32| if value.is_nan() { f64::NEG_INFINITY } else { f64::from(*value) };
        match self.input {
            Meaning::Probabilities => frame.iter().map(|value| number(value).clamp(0.0, 1.0).ln()).collect(),
            Meaning::LogProbabilities => frame.iter().map(|value| number(value).min(0.0)).collect(),
            Meaning::Logits => {
                // An infinite logit leaves nothing for the others.
                let finite = |value: &f32| number(value).min(f64::from(f32::MAX));
                let largest = frame.iter().map(finite).fold(f64::NEG_INFINITY, f64::max);
                let sum =
                    frame.iter().map(|value| (finite(value) - largest).exp()).sum::<f64>().ln() + largest;
                let logarithm = |value: &f32| finite(value) - sum;
                frame.iter().map(logarithm).map(|x| if x.is_nan() { f64::NEG_INFINITY } else { x }).collect()
            }
        }
    }
}

/// ln(exp(a) + exp(b))
fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use lehr_tensor::Tensor;

    use super::*;
    use crate::NoFiles;

    fn step(characters: &str, width: usize, input: Meaning) -> Box<dyn Step> {
        let characters = Some(characters.to_owned());
        CtcBeam { file: None, characters, space: false, blank: 0, width, input }.build(&NoFiles).unwrap()
    }

    fn decode(step: &dyn Step, frames: usize, values: Vec<f32>) -> Transcript {
        let item = Item::Tensor(Tensor::from_vec(&[1, frames, values.len() / frames], values).unwrap());
        match step.apply(item, &mut Context::default()).unwrap() {
            Item::Transcript(transcript) => transcript,
            other => panic!("{other:?}"),
        }
    }

    /// Probabilities of all texts, by adding up all alignments.
    fn all_texts(frames: &[[f32; 3]]) -> BTreeMap<String, f64> {
        let mut texts = BTreeMap::new();
        for path in 0..3usize.pow(frames.len() as u32) {
            let classes: Vec<_> = (0..frames.len()).map(|t| path / 3usize.pow(t as u32) % 3).collect();
            let probability: f64 =
                classes.iter().zip(frames).map(|(c, frame)| f64::from(frame[*c])).product();
            let text = classes.chunk_by(|a, b| a == b).map(|run| ["", "a", "b"][run[0]]).collect::<String>();
            *texts.entry(text).or_insert(0.0) += probability;
        }
        texts
    }

    #[test]
    fn a_wide_beam_finds_the_best_of_all_texts() {
        let mut state = 7u64;
        let mut random = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f32 / (1u64 << 24) as f32
        };
        for _ in 0..50 {
            let frames: Vec<[f32; 3]> = (0..5)
                .map(|_| {
                    let numbers = [random(), random(), random()];
                    numbers.map(|x| x / numbers.iter().sum::<f32>())
                })
                .collect();
            let texts = all_texts(&frames);
            let (text, probability) = texts.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
            let step = step("ab", 100, Meaning::Probabilities);
            let got = decode(&*step, 5, frames.concat());
            let mean = probability.powf(1.0 / text.len().max(1) as f64);
            assert!(got.text == *text && (f64::from(got.score) - mean).abs() < 1e-6, "{got:?} {text} {mean}");
        }
    }

    #[test]
    fn alignments_add_up_where_the_best_single_one_misleads() {
        // Blank is the best class of both frames, but "a" has three alignments: 0.4 · 0.4 + 2 · 0.4 · 0.6 > 0.6 · 0.6.
        let values = vec![0.6f32, 0.4, 0.0, 0.6, 0.4, 0.0];
        for (meaning, values) in [
            (Meaning::Probabilities, values.clone()),
            (Meaning::LogProbabilities, values.iter().map(|x| x.ln()).collect()),
            (Meaning::Logits, values.iter().map(|x| x.ln() + 3.0).collect()),
        ] {
            let got = decode(&*step("ab", 4, meaning), 2, values);
            assert!(got.text == "a" && (got.score - 0.64).abs() < 1e-5, "{meaning:?} {got:?}");
        }
    }

    #[test]
    fn numbers_that_are_none_count_as_impossible() {
        for meaning in [Meaning::Probabilities, Meaning::LogProbabilities, Meaning::Logits] {
            let values = vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::NAN, f32::NAN];
            let got = decode(&*step("ab", 2, meaning), 2, values);
            assert!(got.score == 0.0, "{meaning:?} {got:?}");
        }
    }
}
