//! `impute`: missing values are filled in.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{columns, statistics};
use crate::{Context, Files, Item, ItemType, Series, Spec, Step, StepError, Table};

/// `{ op = "impute", method = "mean", columns = ["age"], fill = [41.2] }`, or `{ op = "impute", method = "constant",
/// value = "none" }`
///
/// What is fitted: `fill`, a number or text for each column, and `columns` unless given: those with numbers for `mean`
/// and `median`, those of the kind of `value` for `constant`, all for `most_frequent`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Impute {
    method: Method,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fill: Option<Vec<Value>>,
}

/// What is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Method {
    Mean,
    Median,
    /// Of equally frequent ones the smallest.
    MostFrequent,
    /// `value`.
    Constant,
}

/// A number or a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Value {
    Number(f64),
    Text(String),
}

impl Spec for Impute {
    const OP: &'static str = "impute";
    const SUMMARY: &'static str =
        "missing values become the mean, the median, the most frequent value or a constant";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if (self.method == Method::Constant) != self.value.is_some() {
            let got = if self.value.is_some() { "another method" } else { "none" };
            return Err(StepError::parameter("value", "a number or text for method 'constant' alone", got));
        }
        let fill = columns::paired(self.columns, "fill", self.fill)?;
        for (_, value) in &fill {
            if let Value::Number(number) = value {
                columns::finite("fill", &[*number])?;
            }
        }
        Ok(Box::new(Fill(fill)))
    }

    fn fit(&mut self, data: &Item) -> Result<(), StepError> {
        let table = super::table(data)?;
        let names = match (&self.columns, self.method, &self.value) {
            (Some(names), ..) => names.clone(),
            (None, Method::MostFrequent, _) => table.columns.iter().map(|(name, _)| name.clone()).collect(),
            (None, Method::Constant, Some(Value::Text(_))) => columns::with_texts(table),
            (None, ..) => columns::with_numbers(table),
        };
        let fill = names.iter().map(|name| self.fill_of(table, name)).collect::<Result<_, _>>()?;
        (self.columns, self.fill) = (Some(names), Some(fill));
        Ok(())
    }
}

impl Impute {
    fn fill_of(&self, table: &Table, name: &str) -> Result<Value, StepError> {
        let sorted = || statistics::sorted(name, columns::numbers(table, name)?);
        match (self.method, &self.value) {
            (Method::Mean, _) => Ok(Value::Number(statistics::mean(&sorted()?))),
            (Method::Median, _) => Ok(Value::Number(statistics::quantile(&sorted()?, 0.5))),
            (Method::Constant, Some(value)) => Ok(value.clone()),
            (Method::Constant, None) => Err(StepError::parameter("value", "a number or text", "none")),
            (Method::MostFrequent, _) => match columns::find(table, name)? {
                Series::Numbers(_) => Ok(Value::Number(longest_run(&sorted()?))),
                Series::Texts(texts) => most_frequent(name, texts).map(Value::Text),
            },
        }
    }
}

/// The number that occurs most often in sorted numbers, of which there is at least one.
fn longest_run(sorted: &[f64]) -> f64 {
    let runs = sorted.chunk_by(|a, b| a == b);
    runs.reduce(|best, run| if run.len() > best.len() { run } else { best })
        .and_then(|run| run.first())
        .map_or(f64::NAN, |number| *number)
}

fn most_frequent(column: &str, texts: &[Option<String>]) -> Result<String, StepError> {
    let mut counts: HashMap<&String, usize> = HashMap::new();
    texts.iter().flatten().for_each(|text| *counts.entry(text).or_default() += 1);
    let best = counts.into_iter().max_by(|(a, m), (b, n)| m.cmp(n).then(b.cmp(a)));
    best.map(|(text, _)| text.clone())
        .ok_or_else(|| StepError::malformed(format!("column '{column}' has no values to fit to")))
}

#[derive(Debug)]
struct Fill(Vec<(String, Value)>);

impl Step for Fill {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        super::infer_table(input)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let mut table = item.into_table()?;
        for (name, value) in &self.0 {
            match (columns::find_mut(&mut table, name)?, value) {
                (Series::Numbers(numbers), Value::Number(value)) => {
                    numbers.iter_mut().filter(|number| number.is_nan()).for_each(|number| *number = *value);
                }
                (Series::Texts(texts), Value::Text(value)) => {
                    texts
                        .iter_mut()
                        .filter(|text| text.is_none())
                        .for_each(|text| *text = Some(value.clone()));
                }
                (Series::Numbers(_), Value::Text(_)) => return Err(mismatch(name, "numbers", "a text")),
                (Series::Texts(_), Value::Number(_)) => return Err(mismatch(name, "texts", "a number")),
            }
        }
        Ok(Item::Table(table))
    }
}

fn mismatch(column: &str, holds: &str, value: &str) -> StepError {
    StepError::malformed(format!("column '{column}' holds {holds} and can not be filled with {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equally_frequent_values_the_smallest_is_filled_in() {
        assert_eq!(longest_run(&[1.0, 2.0, 2.0, 3.0, 3.0]), 2.0);
        let texts = ["b", "a", "b", "a", "c"].map(|text| Some(text.to_owned()));
        assert_eq!(most_frequent("x", &texts).unwrap(), "a");
        assert!(most_frequent("x", &[None]).is_err());
    }
}
