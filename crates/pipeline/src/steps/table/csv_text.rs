//! Comma-separated values (RFC 4180) as a table of texts, cell by cell: no line or field is larger than allowed.

use csv_core::{ReadFieldResult, Reader, ReaderBuilder};

use super::check_cells;
use crate::{Series, StepError, Table};

/// The most columns.
const MAX_COLUMNS: usize = 1 << 14;

/// The largest field, in bytes.
const MAX_FIELD: usize = 1 << 20;

/// The form of a file.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub(super) header: bool,
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    /// Fields that stand for a missing value.
    pub(super) missing: Vec<String>,
    pub(super) max_rows: usize,
}

/// A table of texts, and the line of the file that each row begins in.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) table: Table,
    pub(super) lines: Vec<u64>,
}

impl Form {
    /// Reads a file; columns without a header are called `column_1` and so on.
    ///
    /// # Errors
    /// [`StepError::Malformed`] with the line, [`StepError::TooLarge`].
    pub(super) fn read(&self, bytes: &[u8]) -> Result<Lines, StepError> {
        let text = utf8(bytes)?;
        let mut records = Records::new(self, text);
        let mut names = Vec::new();
        let mut columns: Vec<Vec<Option<String>>> = Vec::new();
        let mut lines = Vec::new();
        if self.header {
            let Some((_, header)) = records.next(MAX_COLUMNS)? else {
                return Err(StepError::malformed("expected a header in the first line, got an empty file"));
            };
            columns = vec![Vec::new(); header.len()];
            names = header;
            check_names(&names)?;
        }
        while let Some((line, record)) = records.next(columns.len().max(1))? {
            if columns.is_empty() {
                names = (1..=record.len()).map(|number| format!("column_{number}")).collect();
                columns = vec![Vec::new(); record.len()];
            }
            check_size(lines.len() + 1, columns.len(), self.max_rows)?;
            if record.len() != columns.len() {
                return Err(unequal(line, columns.len(), record.len()));
            }
            for (column, field) in columns.iter_mut().zip(record) {
                column.push((!self.missing.contains(&field)).then_some(field));
            }
            lines.push(line);
        }
        let columns = names.into_iter().zip(columns.into_iter().map(Series::Texts)).collect();
        Ok(Lines { table: Table { rows: lines.len(), columns }, lines })
    }
}

/// The text of a file, without the mark that some programs put in front.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, StepError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        StepError::malformed(format!("expected UTF-8 text: byte {} is not valid", error.valid_up_to()))
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Fails when there are too many rows, columns or cells.
pub(super) fn check_size(rows: usize, columns: usize, max_rows: usize) -> Result<(), StepError> {
    for (what, limit, got) in [("rows", max_rows, rows), ("columns", MAX_COLUMNS, columns)] {
        if got > limit {
            return Err(StepError::TooLarge { what, limit: limit as u64, got: got as u64 });
        }
    }
    check_cells(rows, columns)
}

fn check_names(names: &[String]) -> Result<(), StepError> {
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(StepError::malformed(format!("the header names column '{}' twice", pair[0]))),
        None => Ok(()),
    }
}

fn unequal(line: u64, expected: usize, got: impl std::fmt::Display) -> StepError {
    StepError::malformed(format!("line {line}: expected {expected} fields, got {got}"))
}

/// The records of a text, one after the other.
struct Records<'a> {
    reader: Reader,
    rest: &'a [u8],
    field: Vec<u8>,
    /// Whether the number of fields is known.
    knows_width: bool,
}

impl<'a> Records<'a> {
    fn new(form: &Form, text: &'a str) -> Self {
        let reader = ReaderBuilder::new().delimiter(form.delimiter).quote(form.quote).build();
        Self { reader, rest: text.as_bytes(), field: vec![0; 256], knows_width: false }
    }

    /// The line that the next record begins in, and its fields, at most `width` of them.
    fn next(&mut self, width: usize) -> Result<Option<(u64, Vec<String>)>, StepError> {
        let limit = if self.knows_width { width } else { MAX_COLUMNS };
        self.skip_line_ends();
        let line = self.reader.line();
        let mut fields = Vec::new();
        while let Some((field, is_last)) = self.field()? {
            if fields.len() == limit {
                return Err(match self.knows_width {
                    true => unequal(line, width, "more"),
                    false => {
                        StepError::TooLarge { what: "columns", limit: limit as u64, got: limit as u64 + 1 }
                    }
                });
            }
            fields.push(field);
            if is_last {
                self.knows_width = true;
                return Ok(Some((line, fields)));
            }
        }
        Ok(None)
    }

    /// Ends of lines before a record mean nothing; they are taken here so that the line of the record is known.
    fn skip_line_ends(&mut self) {
        let count = self.rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let (skipped, rest) = self.rest.split_at(count);
        let lines = skipped.iter().filter(|byte| **byte == b'\n').count();
        self.reader.set_line(self.reader.line() + lines as u64);
        self.rest = rest;
    }

    /// The next field and whether it is the last of its record; `None` at the end.
    fn field(&mut self) -> Result<Option<(String, bool)>, StepError> {
        let mut length = 0;
        loop {
            let (result, read, written) = self.reader.read_field(self.rest, &mut self.field[length..]);
            self.rest = &self.rest[read..];
            length += written;
            match result {
                // The end of the text has to be told once.
                ReadFieldResult::InputEmpty => {}
                ReadFieldResult::OutputFull if self.field.len() >= MAX_FIELD => {
                    return Err(StepError::malformed(format!(
                        "line {}: expected fields of at most {MAX_FIELD} bytes, got more",
                        self.reader.line()
                    )));
                }
                ReadFieldResult::OutputFull => self.field.resize(self.field.len() * 2, 0),
                ReadFieldResult::Field { record_end } => {
                    let text = String::from_utf8(self.field[..length].to_vec());
                    return Ok(Some((text.map_err(StepError::malformed)?, record_end)));
                }
                ReadFieldResult::End => return Ok(None),
            }
        }
    }
}
