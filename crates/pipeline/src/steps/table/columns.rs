//! Columns by name: what steps on tables look up, change and put in place of others.

use crate::{Series, StepError, Table};

/// The column of that name.
///
/// # Errors
/// [`StepError::Malformed`] with the names of the columns that are there.
pub(super) fn find<'a>(table: &'a Table, name: &str) -> Result<&'a Series, StepError> {
    let column = table.columns.iter().find(|(column, _)| column == name);
    column.map(|(_, series)| series).ok_or_else(|| missing(table, name))
}

/// The numbers of a column.
///
/// # Errors
/// [`StepError::Malformed`] when there is no such column, or it holds texts.
pub(super) fn numbers<'a>(table: &'a Table, name: &str) -> Result<&'a [f64], StepError> {
    match find(table, name)? {
        Series::Numbers(numbers) => Ok(numbers),
        Series::Texts(_) => Err(holds_texts(name)),
    }
}

/// As [`find`], to be changed in place.
///
/// # Errors
/// As [`find`].
pub(super) fn find_mut<'a>(table: &'a mut Table, name: &str) -> Result<&'a mut Series, StepError> {
    match table.columns.iter().position(|(column, _)| column == name) {
        Some(position) => Ok(&mut table.columns[position].1),
        None => Err(missing(table, name)),
    }
}

/// As [`numbers`], to be changed in place.
///
/// # Errors
/// As [`numbers`].
pub(super) fn numbers_mut<'a>(table: &'a mut Table, name: &str) -> Result<&'a mut Vec<f64>, StepError> {
    match find_mut(table, name)? {
        Series::Numbers(numbers) => Ok(numbers),
        Series::Texts(_) => Err(holds_texts(name)),
    }
}

/// A column as texts: numbers become the shortest decimal that stands for them.
pub(super) fn as_texts(series: &Series) -> Vec<Option<String>> {
    match series {
        Series::Texts(texts) => texts.clone(),
        Series::Numbers(numbers) => {
            numbers.iter().map(|number| (!number.is_nan()).then(|| number.to_string())).collect()
        }
    }
}

/// Puts columns in the place of one.
///
/// # Errors
/// [`StepError::Malformed`] when there is no such column, or one of the new names is taken.
pub(super) fn replace(table: &mut Table, name: &str, with: Vec<(String, Series)>) -> Result<(), StepError> {
    let position = table.columns.iter().position(|(column, _)| column == name);
    let position = position.ok_or_else(|| missing(table, name))?;
    table.columns.remove(position);
    for (index, (new, _)) in with.iter().enumerate() {
        if table.columns.iter().chain(&with[..index]).any(|(old, _)| old == new) {
            return Err(taken(new));
        }
    }
    table.columns.splice(position..position, with);
    Ok(())
}

/// Adds a column behind the others.
///
/// # Errors
/// [`StepError::Malformed`] when its name is taken.
pub(super) fn append(table: &mut Table, name: &str, series: Series) -> Result<(), StepError> {
    if table.columns.iter().any(|(column, _)| column == name) {
        return Err(taken(name));
    }
    table.columns.push((name.to_owned(), series));
    Ok(())
}

/// Names of the columns that hold numbers.
pub(super) fn with_numbers(table: &Table) -> Vec<String> {
    let holds_numbers =
        |(name, series): &(String, Series)| matches!(series, Series::Numbers(_)).then(|| name.clone());
    table.columns.iter().filter_map(holds_numbers).collect()
}

/// Names of the columns that hold texts.
pub(super) fn with_texts(table: &Table) -> Vec<String> {
    let holds_texts =
        |(name, series): &(String, Series)| matches!(series, Series::Texts(_)).then(|| name.clone());
    table.columns.iter().filter_map(holds_texts).collect()
}

/// Names and what was fitted to each of them.
///
/// # Errors
/// [`StepError::Unfitted`] when either is absent, [`StepError::Parameter`] when their numbers differ or a name occurs
/// twice.
pub(super) fn paired<T>(
    columns: Option<Vec<String>>,
    name: &'static str,
    fitted: Option<Vec<T>>,
) -> Result<Vec<(String, T)>, StepError> {
    let fitted = fitted.ok_or(StepError::Unfitted(name))?;
    let columns = columns.ok_or(StepError::Unfitted("columns"))?;
    unique(&columns)?;
    if columns.len() != fitted.len() {
        let expected = format!("one for each of {} columns", columns.len());
        return Err(StepError::parameter(name, expected, fitted.len()));
    }
    Ok(columns.into_iter().zip(fitted).collect())
}

/// Fails unless all numbers are finite.
///
/// # Errors
/// [`StepError::Parameter`].
pub(super) fn finite(name: &'static str, numbers: &[f64]) -> Result<(), StepError> {
    match numbers.iter().find(|number| !number.is_finite()) {
        Some(number) => Err(StepError::parameter(name, "finite numbers", number)),
        None => Ok(()),
    }
}

/// Fails when a name occurs twice.
///
/// # Errors
/// [`StepError::Parameter`].
pub(super) fn unique(columns: &[String]) -> Result<(), StepError> {
    let repeated = columns.iter().enumerate().find(|(index, name)| columns[..*index].contains(name));
    match repeated {
        Some((_, name)) => Err(StepError::parameter("columns", "each name once", format!("'{name}' twice"))),
        None => Ok(()),
    }
}

/// What is wrong with a cell; rows are counted from 1.
pub(super) fn cell_problem(row: usize, column: &str, problem: impl std::fmt::Display) -> StepError {
    StepError::malformed(format!("row {}, column '{column}': {problem}", row + 1))
}

fn holds_texts(name: &str) -> StepError {
    StepError::malformed(format!("column '{name}': expected numbers, got texts"))
}

fn taken(name: &str) -> StepError {
    StepError::malformed(format!("there is a column '{name}' already"))
}

fn missing(table: &Table, name: &str) -> StepError {
    let there: Vec<_> = table.columns.iter().map(|(name, _)| format!("'{name}'")).collect();
    StepError::malformed(format!("there is no column '{name}'; there are {}", there.join(", ")))
}
