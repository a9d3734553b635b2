//! `ctc_greedy`: text from the best class of every frame.
//!
//! Best-path decoding of A. Graves et al., "Connectionist Temporal Classification", ICML 2006, section 3.2.

use serde::{Deserialize, Serialize};

use super::alphabet::Alphabet;
use super::frames::Frames;
use super::rows::largest;
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, Transcript};

/// `{ op = "ctc_greedy", file = "alphabet.txt", space = true }`, or `{ op = "ctc_greedy", characters = "0123456789" }`.
///
/// The file has one symbol in each line; the class `blank` (0 unless said otherwise) is not among them, and `space`
/// appends a space as the last symbol.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CtcGreedy {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    characters: Option<String>,
    #[serde(default)]
    space: bool,
    #[serde(default)]
    blank: usize,
}

impl Spec for CtcGreedy {
    const OP: &'static str = "ctc_greedy";
    const SUMMARY: &'static str =
        "text from the best class of every frame: repeats are merged, blanks dropped";

    fn build(self, files: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let (file, characters) = (self.file.as_deref(), self.characters.as_deref());
        let alphabet = Alphabet::new(file, characters, self.space, self.blank, files)?;
        Ok(Box::new(Greedy { alphabet }))
    }
}

#[derive(Debug)]
struct Greedy {
    alphabet: Alphabet,
}

impl Step for Greedy {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        Frames::infer(input, &self.alphabet)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let frames = Frames::of(item, &self.alphabet)?;
        let lines = frames.lines().map(|line| Item::Transcript(self.decode(line)));
        Ok(Item::from_rows(lines.collect()))
    }
}

impl Greedy {
    /// The score is the mean of the numbers of the frames that gave a symbol, 0 if none did.
    fn decode<'a>(&self, line: impl Iterator<Item = &'a [f32]>) -> Transcript {
        let (mut text, mut sum, mut count) = (String::new(), 0.0, 0.0);
        let mut last = self.alphabet.blank();
        for (class, score) in line.filter_map(largest) {
            if class != last && class != self.alphabet.blank() {
                text.push_str(self.alphabet.symbol(class));
                sum += f64::from(score);
                count += 1.0;
            }
            last = class;
        }
        let score = if count > 0.0 { (sum / count) as f32 } else { 0.0 };
        Transcript { text, score }
    }
}

#[cfg(test)]
mod tests {
    use lehr_tensor::Tensor;

    use super::*;
    use crate::NoFiles;

    #[test]
    fn repeats_are_merged_unless_a_blank_is_between_them() {
        let spec = CtcGreedy { file: None, characters: Some("ab".to_owned()), space: false, blank: 0 };
        let step = spec.build(&NoFiles).unwrap();
        let frame =
            |best: usize, score: f32| (0..3).map(move |class| if class == best { score } else { 0.0 });
        let frames = [(1, 0.5), (1, 0.9), (0, 1.0), (1, 0.7), (2, 0.6), (0, 1.0)];
        let values: Vec<f32> = frames.into_iter().flat_map(|(best, score)| frame(best, score)).collect();
        let item = Item::Tensor(Tensor::from_vec(&[1, 6, 3], values).unwrap());
        let Item::Transcript(text) = step.apply(item, &mut Context::default()).unwrap() else { panic!() };
        assert_eq!(text, Transcript { text: "aab".to_owned(), score: 0.6 });
        let none = Item::Tensor(Tensor::from_vec::<f32>(&[2, 0, 3], vec![]).unwrap());
        let none = step.apply(none, &mut Context::default()).unwrap();
        assert_eq!(none.to_json().to_string(), r#"[{"text":"","score":0.0},{"text":"","score":0.0}]"#);
        let other = Item::Tensor(Tensor::from_vec(&[1, 4], vec![0.0f32; 4]).unwrap());
        assert_eq!(
            step.apply(other, &mut Context::default()).unwrap_err().to_string(),
            "the alphabet has 3 classes (its symbols and the blank), the tensor has 4"
        );
    }
}
