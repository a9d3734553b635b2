//! What a recogniser gives: for each line of text (or recording) its frames, for each frame a number for every class.

use lehr_tensor::{CastOptions, DataType};

use super::alphabet::Alphabet;
use crate::{Item, ItemType, StepError};

/// The most lines that are decoded at once.
const MAX_LINES: usize = 1 << 20;

/// Numbers `[lines, frames, classes]`.
#[derive(Clone, Debug)]
pub struct Frames {
    values: Vec<f32>,
    lines: usize,
    frames: usize,
    classes: usize,
}

impl Frames {
    /// The frames of a tensor `[lines, frames, classes]`, or `[frames, classes]` of a single line, whose classes must be
    /// those of the alphabet.
    ///
    /// # Errors
    /// [`StepError::Kind`], [`StepError::Malformed`].
    pub fn of(item: Item, alphabet: &Alphabet) -> Result<Self, StepError> {
        let ty = item.ty();
        let tensor = item.into_tensor()?;
        let (lines, frames, classes) = match *tensor.shape() {
            [lines, frames, classes] => (lines, frames, classes),
            [frames, classes] => (1, frames, classes),
            _ => return Err(StepError::kind("a tensor [lines, frames, classes]", ty)),
        };
        check_classes(classes, alphabet)?;
        // Lines without frames take no room in the tensor, so their number is bounded by nothing else.
        if lines > MAX_LINES {
            return Err(StepError::TooLarge {
                what: "lines of text",
                limit: MAX_LINES as u64,
                got: lines as u64,
            });
        }
        let values = tensor.cast(DataType::F32, CastOptions::default())?.into_vec::<f32>()?;
        Ok(Self { values, lines, frames, classes })
    }

    /// What a step makes that turns every line into recognised text.
    ///
    /// # Errors
    /// As [`Frames::of`].
    pub fn infer(input: &ItemType, alphabet: &Alphabet) -> Result<ItemType, StepError> {
        let one = ItemType::Transcript;
        let (lines, classes) = match input.tensor()?.shape.as_deref() {
            None => return Ok(ItemType::List(Box::new(one))),
            Some([lines, _, classes]) => (*lines, *classes),
            Some([_, classes]) => (Some(1), *classes),
            Some(_) => return Err(StepError::kind("a tensor [lines, frames, classes]", input)),
        };
        classes.map_or(Ok(()), |classes| check_classes(classes, alphabet))?;
        Ok(if lines == Some(1) { one } else { ItemType::List(Box::new(one)) })
    }

    /// For each line its frames.
    pub fn lines(&self) -> impl Iterator<Item = impl Iterator<Item = &[f32]>> {
        let length = self.frames * self.classes;
        (0..self.lines)
            .map(move |line| self.values[line * length..(line + 1) * length].chunks_exact(self.classes))
    }
}

fn check_classes(classes: usize, alphabet: &Alphabet) -> Result<(), StepError> {
    if classes == alphabet.classes() {
        return Ok(());
    }
    Err(StepError::malformed(format!(
        "the alphabet has {} classes (its symbols and the blank), the tensor has {classes}",
        alphabet.classes()
    )))
}
