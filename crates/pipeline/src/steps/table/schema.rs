//! Which columns a file is expected to have, and what they hold.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::columns;
use crate::{Series, StepError, Table};

/// What is done with columns that are not expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Others {
    /// They are left out.
    #[default]
    Ignore,
    /// The file is refused.
    Refuse,
}

/// Expected columns.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    pub(super) numbers: Vec<String>,
    pub(super) texts: Vec<String>,
    pub(super) others: Others,
}

impl Schema {
    /// What was given or fitted.
    ///
    /// # Errors
    /// [`StepError::Unfitted`] when nothing was, [`StepError::Parameter`] when a name occurs twice.
    pub(super) fn new(
        numbers: Option<Vec<String>>,
        texts: Option<Vec<String>>,
        others: Others,
    ) -> Result<Self, StepError> {
        if numbers.is_none() && texts.is_none() {
            return Err(StepError::Unfitted("numbers"));
        }
        let schema = Self { numbers: numbers.unwrap_or_default(), texts: texts.unwrap_or_default(), others };
        columns::unique(&[schema.numbers.as_slice(), &schema.texts].concat())?;
        Ok(schema)
    }

    /// The columns of a table of texts and what they seem to hold: numbers, where all cells are numbers.
    pub(super) fn guess(table: &Table) -> (Vec<String>, Vec<String>) {
        let (numbers, texts): (Vec<_>, Vec<_>) = table.columns.iter().partition(|(_, series)| match series {
            Series::Numbers(_) => true,
            Series::Texts(texts) => texts.iter().flatten().all(|text| number(text).is_some()),
        });
        let names = |columns: Vec<&(String, Series)>| columns.iter().map(|(name, _)| name.clone()).collect();
        (names(numbers), names(texts))
    }

    /// The expected columns in the order of the table, texts that stand for numbers read.
    ///
    /// # Errors
    /// [`StepError::Malformed`] with the column, and with what `place` calls a row.
    pub(super) fn conform(&self, table: Table, place: impl Fn(usize) -> String) -> Result<Table, StepError> {
        for name in self.numbers.iter().chain(&self.texts) {
            columns::find(&table, name)?;
        }
        let mut kept = Vec::new();
        for (name, series) in table.columns {
            let series = match (self.numbers.contains(&name), series) {
                (true, Series::Texts(texts)) => Series::Numbers(numbers(&name, &texts, &place)?),
                (true, numbers @ Series::Numbers(_)) => numbers,
                (false, series) if self.texts.contains(&name) => Series::Texts(columns::as_texts(&series)),
                (false, _) if self.others == Others::Ignore => continue,
                (false, _) => {
                    return Err(StepError::malformed(format!("column '{name}' is not expected")));
                }
            };
            kept.push((name, series));
        }
        Ok(Table { rows: table.rows, columns: kept })
    }
}

fn numbers(
    column: &str,
    texts: &[Option<String>],
    place: impl Fn(usize) -> String,
) -> Result<Vec<f64>, StepError> {
    let cell = |(row, text): (usize, &Option<String>)| match text {
        None => Ok(f64::NAN),
        Some(text) => number(text).ok_or_else(|| {
            let (place, text) = (place(row), shortened(text));
            StepError::malformed(format!("{place}, column '{column}': expected a number, got '{text}'"))
        }),
    };
    texts.iter().enumerate().map(cell).collect()
}

/// The finite number that a text stands for.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// The beginning of a text for a message.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(40) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}
