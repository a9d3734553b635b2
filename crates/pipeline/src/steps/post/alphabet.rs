//! The symbols of a text recogniser: its classes without the blank.

use crate::{Files, StepError};

/// The text of each class of a recogniser that was trained with CTC.
#[derive(Clone, Debug)]
pub struct Alphabet {
    symbols: Vec<String>,
    blank: usize,
}

impl Alphabet {
    /// The symbols of `file`, one in each line, or each of `characters`; `blank` is the class that stands for nothing,
    /// `space` appends a space behind the last symbol.
    ///
    /// # Errors
    /// [`StepError::Parameter`] unless there is exactly one of `file` and `characters`, or when `blank` is no class;
    /// [`StepError::File`].
    pub fn new(
        file: Option<&str>,
        characters: Option<&str>,
        space: bool,
        blank: usize,
        files: &dyn Files,
    ) -> Result<Self, StepError> {
        let mut symbols: Vec<String> = match (file, characters) {
            (Some(file), None) => lines(file, files)?,
            (None, Some(characters)) => characters.chars().map(String::from).collect(),
            _ => return Err(StepError::parameter("file", "either 'file' or 'characters'", "both or none")),
        };
        symbols.extend(space.then(|| " ".to_owned()));
        if blank > symbols.len() {
            let expected = format!("at most {}, the number of symbols", symbols.len());
            return Err(StepError::parameter("blank", expected, blank));
        }
        Ok(Self { symbols, blank })
    }

    /// Classes of the recogniser.
    pub fn classes(&self) -> usize {
        self.symbols.len() + 1
    }

    /// The class that stands for nothing.
    pub fn blank(&self) -> usize {
        self.blank
    }

    /// The text of a class: none for the blank and beyond the last.
    pub fn symbol(&self, class: usize) -> &str {
        let position = match class {
            class if class == self.blank => return "",
            class if class > self.blank => class - 1,
            class => class,
        };
        self.symbols.get(position).map_or("", String::as_str)
    }
}

/// Lines as they are but for their ends: a symbol may be a space.
fn lines(file: &str, files: &dyn Files) -> Result<Vec<String>, StepError> {
    let bytes = files.read(file)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| StepError::file(file, error))?;
    Ok(text.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lehr_tensor::Bytes;

    use super::*;
    use crate::{InMemory, NoFiles};

    #[test]
    fn the_blank_stands_between_the_symbols() {
        let file = BTreeMap::from([("a.txt".to_owned(), Bytes::from_static(b"a\n\xe6\xbc\xa2\r\n \n"))]);
        let alphabet = Alphabet::new(Some("a.txt"), None, true, 1, &InMemory(file)).unwrap();
        let all: Vec<_> = (0..alphabet.classes()).map(|class| alphabet.symbol(class)).collect();
        assert_eq!(all, ["a", "", "漢", " ", " "]);
        assert!(Alphabet::new(None, None, false, 0, &NoFiles).is_err());
        assert!(Alphabet::new(None, Some("ab"), false, 3, &NoFiles).is_err());
    }
}
