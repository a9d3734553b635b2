//! The categories of a column: the distinct texts that it holds, and their positions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::columns;
use super::schema::shortened;
use crate::{Item, Series, StepError, Table};

/// The most categories of a column.
const MAX_CATEGORIES: usize = 1 << 14;

/// What becomes of a text that was not there when the step was fitted, or of a missing one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unknown {
    /// The table is refused.
    #[default]
    Error,
    /// All new columns are 0.
    Zeros,
    /// A further column is 1.
    Other,
}

/// Texts and their positions.
#[derive(Debug)]
pub(super) struct Categories {
    texts: Vec<String>,
    positions: BTreeMap<String, usize>,
}

impl Categories {
    /// The categories of each column, as fitted.
    ///
    /// # Errors
    /// [`StepError::Unfitted`], [`StepError::Parameter`].
    pub(super) fn by_column(
        columns: Option<Vec<String>>,
        categories: Option<Vec<Vec<String>>>,
    ) -> Result<Vec<(String, Self)>, StepError> {
        let paired = columns::paired(columns, "categories", categories)?.into_iter();
        paired.map(|(name, texts)| Ok((name, Self::new(texts)?))).collect()
    }

    fn new(texts: Vec<String>) -> Result<Self, StepError> {
        if !(1..=MAX_CATEGORIES).contains(&texts.len()) {
            return Err(StepError::parameter(
                "categories",
                format!("from 1 to {MAX_CATEGORIES}"),
                texts.len(),
            ));
        }
        let mut positions = BTreeMap::new();
        for (position, text) in texts.iter().enumerate() {
            if positions.insert(text.clone(), position).is_some() {
                return Err(StepError::parameter("categories", "each once", format!("'{text}' twice")));
            }
        }
        Ok(Self { texts, positions })
    }

    /// In their order.
    pub(super) fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The position of the text in each row of a column; `None` where it is missing or unknown.
    ///
    /// # Errors
    /// [`StepError::Malformed`] with row and column for missing and unknown texts, if `unknown` says so.
    pub(super) fn positions(
        &self,
        table: &Table,
        column: &str,
        unknown: Unknown,
    ) -> Result<Vec<Option<usize>>, StepError> {
        let texts = columns::as_texts(columns::find(table, column)?);
        let position = |(row, text): (usize, Option<String>)| {
            let position = text.as_ref().and_then(|text| self.positions.get(text).copied());
            if position.is_some() || unknown != Unknown::Error {
                return Ok(position);
            }
            Err(match text {
                None => {
                    columns::cell_problem(row, column, "expected a value, got none; 'impute' fills it in")
                }
                Some(text) => self.unknown(row, column, &text),
            })
        };
        texts.into_iter().enumerate().map(position).collect()
    }

    /// What is wrong with a text that is no category.
    pub(super) fn unknown(&self, row: usize, column: &str, text: &str) -> StepError {
        let (text, count) = (shortened(text), self.texts.len());
        columns::cell_problem(row, column, format!("'{text}' is none of the {count} categories"))
    }
}

/// Finds the categories of the given columns, or of all that hold texts: texts in the order of their characters,
/// numbers in theirs. Missing values are no category.
///
/// # Errors
/// When a column is not there, has no values, or too many different ones.
pub(super) fn fit(columns: &mut Option<Vec<String>>, data: &Item) -> Result<Vec<Vec<String>>, StepError> {
    let table = super::table(data)?;
    let names = columns.get_or_insert_with(|| columns::with_texts(table));
    names.iter().map(|name| distinct(table, name)).collect()
}

fn distinct(table: &Table, name: &str) -> Result<Vec<String>, StepError> {
    let series = columns::find(table, name)?;
    let mut texts: Vec<String> = match series {
        Series::Texts(texts) => texts.iter().flatten().cloned().collect(),
        Series::Numbers(numbers) => {
            let mut sorted = numbers.clone();
            sorted.sort_by(f64::total_cmp);
            columns::as_texts(&Series::Numbers(sorted)).into_iter().flatten().collect()
        }
    };
    if matches!(series, Series::Texts(_)) {
        texts.sort();
    }
    texts.dedup();
    match texts.len() {
        0 => Err(StepError::malformed(format!("column '{name}' has no values to fit to"))),
        1..=MAX_CATEGORIES => Ok(texts),
        count => Err(StepError::malformed(format!(
            "column '{name}': expected at most {MAX_CATEGORIES} categories, got {count}"
        ))),
    }
}
