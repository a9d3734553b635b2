//! `read_jsonl`: lines that each hold a JSON object become a table.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::csv_text::{check_size, utf8};
use super::read_csv::{conform_rows, million};
use super::schema::{Others, Schema};
use crate::{Context, Files, Item, ItemType, Series, Spec, Step, StepError, Table};

/// `{ op = "read_jsonl", numbers = ["age", "income"], texts = ["city"] }`
///
/// `null` and keys that are absent are missing values; other values than texts, numbers and truth values are refused.
/// What is fitted: `numbers` and `texts`, unless one is given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadJsonl {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    numbers: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    texts: Option<Vec<String>>,
    #[serde(default)]
    other_columns: Others,
    #[serde(default = "million")]
    max_rows: usize,
}

impl Spec for ReadJsonl {
    const OP: &'static str = "read_jsonl";
    const SUMMARY: &'static str = "lines that each hold a JSON object become a table";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let schema = Schema::new(self.numbers, self.texts, self.other_columns)?;
        Ok(Box::new(Jsonl { schema, max_rows: self.max_rows }))
    }

    fn fit(&mut self, data: &Item) -> Result<(), StepError> {
        if self.numbers.is_some() || self.texts.is_some() {
            return Ok(());
        }
        let (numbers, texts) = match data {
            Item::Bytes(bytes) => Schema::guess(&read(bytes, &[], self.max_rows)?.0),
            Item::Table(table) => Schema::guess(table),
            other => return Err(StepError::kind("JSON lines or a table", other.ty())),
        };
        (self.numbers, self.texts) = (Some(numbers), Some(texts));
        Ok(())
    }
}

#[derive(Debug)]
struct Jsonl {
    schema: Schema,
    max_rows: usize,
}

impl Step for Jsonl {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        input.demand("JSON lines or a table", matches!(input, ItemType::Bytes | ItemType::Table))?;
        Ok(ItemType::Table)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let table = match item {
            Item::Bytes(bytes) => {
                let expected = [self.schema.numbers.as_slice(), &self.schema.texts].concat();
                let (table, lines) = read(&bytes, &expected, self.max_rows)?;
                self.schema.conform(table, |row| format!("line {}", lines.get(row).copied().unwrap_or(0)))?
            }
            item @ Item::Table(_) => conform_rows(&self.schema, item.into_table()?)?,
            other => return Err(StepError::kind("JSON lines or a table", other.ty())),
        };
        Ok(Item::Table(table))
    }
}

/// A table of texts, first the expected columns and then others as they occur, and the line of each row.
fn read(bytes: &[u8], expected: &[String], max_rows: usize) -> Result<(Table, Vec<usize>), StepError> {
    let mut names: Vec<String> = expected.to_vec();
    let mut positions: HashMap<String, usize> = names.iter().cloned().zip(0..).collect();
    let mut columns: Vec<Vec<Option<String>>> = vec![Vec::new(); names.len()];
    let mut lines = Vec::new();
    for (index, line) in utf8(bytes)?.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let problem = |problem: String| StepError::malformed(format!("line {}{problem}", index + 1));
        let object: Map<String, Value> = serde_json::from_str(line)
            .map_err(|error| problem(format!(": expected a JSON object: {error}")))?;
        for (name, value) in object {
            let cell = cell(value).ok_or_else(|| {
                problem(format!(", column '{name}': expected a text, a number, a truth value or null"))
            })?;
            let position = *positions.entry(name).or_insert_with_key(|name| {
                names.push(name.clone());
                columns.push(Vec::new());
                columns.len() - 1
            });
            check_size(lines.len() + 1, columns.len(), max_rows)?;
            columns[position].resize(lines.len(), None);
            columns[position].push(cell);
        }
        lines.push(index + 1);
    }
    let rows = lines.len();
    let columns = names.into_iter().zip(columns).map(|(name, mut cells)| {
        cells.resize(rows, None);
        (name, Series::Texts(cells))
    });
    Ok((Table { rows, columns: columns.collect() }, lines))
}

/// What a table holds for a value; `None` for values that have no place in a table.
fn cell(value: Value) -> Option<Option<String>> {
    match value {
        Value::Null => Some(None),
        Value::Bool(value) => Some(Some(value.to_string())),
        Value::Number(number) => Some(Some(number.to_string())),
        Value::String(text) => Some(Some(text)),
        Value::Array(_) | Value::Object(_) => None,
    }
}
