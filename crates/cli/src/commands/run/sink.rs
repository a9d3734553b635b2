//! A file with a line for each input, written as the answers come, so that a run that was stopped can go on.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use lehr::Answers;
use lehr::pipeline::csv_line;
use serde_json::{Value, json};

use crate::failure::Failure;

/// How the lines are written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    JsonLines,
    /// The columns behind input and error; not known before the first answer.
    Csv(Option<Vec<String>>),
}

/// The file.
#[derive(Debug)]
pub struct Sink {
    path: PathBuf,
    form: Form,
    file: BufWriter<File>,
    answered: BTreeSet<String>,
    /// Lines of inputs that failed before the columns were known.
    early: Vec<String>,
}

impl Sink {
    /// A new file at `path`, or with `resume` the one that is there: its whole lines stay, a last one that was cut is
    /// dropped, and inputs that failed are tried again.
    pub fn open(path: &Path, resume: bool) -> Result<Self, Failure> {
        let mut form = match path.extension().and_then(|extension| extension.to_str()) {
            Some("jsonl") => Form::JsonLines,
            Some("csv") => Form::Csv(None),
            _ => {
                let message = format!("'{}': expected a name that ends in .jsonl or .csv", path.display());
                return Err(Failure::Usage(message));
            }
        };
        let failed = |error: io::Error| Failure::file(path, "written", error);
        let text = match std::fs::read_to_string(path) {
            Ok(text) if resume => text,
            Err(error) if resume && error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => String::new(),
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let answered = match &mut form {
            Form::JsonLines => text[..whole].lines().filter_map(answered_line).collect(),
            Form::Csv(columns) => {
                let mut rows = rows(&text[..whole]);
                *columns = rows.next().map(|header| header.into_iter().skip(2).collect());
                rows.filter_map(answered_row).collect()
            }
        };
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(failed)?;
        file.set_len(whole as u64).and_then(|()| file.seek(SeekFrom::Start(whole as u64))).map_err(failed)?;
        Ok(Self { path: path.to_owned(), form, file: BufWriter::new(file), answered, early: Vec::new() })
    }

    /// Whether the file has an answer for that input already.
    pub fn has(&self, input: &Path) -> bool {
        self.answered.contains(&*input.to_string_lossy())
    }

    /// Writes the answers of one input, or why there are none.
    pub fn put(&mut self, input: &Path, answer: &Result<Answers, String>) -> Result<(), Failure> {
        let input = input.to_string_lossy();
        match (&self.form, answer) {
            (Form::JsonLines, Ok(answers)) => {
                self.line(&json!({"input": input, "answers": answers.to_json()}).to_string())
            }
            (Form::JsonLines, Err(error)) => self.line(&json!({"input": input, "error": error}).to_string()),
            (Form::Csv(_), Ok(answers)) => self.row(&input, &answers.to_columns()),
            (Form::Csv(columns), Err(error)) => {
                let empty = columns.iter().flatten().map(|_| "");
                let line = csv_line([&*input, error].into_iter().chain(empty));
                if columns.is_some() {
                    return self.line(&line);
                }
                self.early.push(line);
                Ok(())
            }
        }
    }

    /// Writes what had to wait.
    pub fn finish(mut self) -> Result<(), Failure> {
        if self.form == Form::Csv(None) && !self.early.is_empty() {
            self.header(Vec::new())?;
        }
        Ok(())
    }

    fn row(&mut self, input: &str, cells: &[(String, String)]) -> Result<(), Failure> {
        let names: Vec<String> = cells.iter().map(|(name, _)| name.clone()).collect();
        match &self.form {
            Form::Csv(Some(columns)) if *columns != names => {
                let message = format!(
                    "'{}': '{input}' has the columns {}, the answers before have {}; save to a .jsonl file instead",
                    self.path.display(),
                    names.join(", "),
                    columns.join(", ")
                );
                return Err(Failure::Message(message));
            }
            Form::Csv(Some(_)) => {}
            _ => self.header(names)?,
        }
        let cells = cells.iter().map(|(_, cell)| cell.as_str());
        self.line(&csv_line([input, ""].into_iter().chain(cells)))
    }

    fn header(&mut self, columns: Vec<String>) -> Result<(), Failure> {
        self.line(&csv_line(["input", "error"].into_iter().chain(columns.iter().map(String::as_str))))?;
        for line in std::mem::take(&mut self.early) {
            let padding = ",".repeat(columns.len());
            self.line(&format!("{line}{padding}"))?;
        }
        self.form = Form::Csv(Some(columns));
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<(), Failure> {
        // Whole lines reach the file, so that what is there when the run is stopped can be gone on from.
        let written = writeln!(self.file, "{line}").and_then(|()| self.file.flush());
        written.map_err(|error| Failure::file(&self.path, "written", error))
    }
}

/// The input that a line of JSON answers.
fn answered_line(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    line.get("answers")?;
    Some(line.get("input")?.as_str()?.to_owned())
}

/// The rows of a table, the header among them.
fn rows(text: &str) -> impl Iterator<Item = Vec<String>> {
    let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let rows = reader.into_records().map_while(Result::ok);
    rows.map(|row| row.iter().map(str::to_owned).collect())
}

/// The input that a row of a table answers: input, error, columns.
fn answered_row(row: Vec<String>) -> Option<String> {
    let mut cells = row.into_iter();
    let (input, error) = (cells.next()?, cells.next()?);
    error.is_empty().then_some(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        let row = ["a,b", "say \"x\"", "", "plain"];
        assert_eq!(rows(&csv_line(row)).collect::<Vec<_>>(), [row]);
    }

    #[test]
    fn only_answers_count_as_done() {
        assert_eq!(answered_line(r#"{"input":"a","answers":{}}"#).as_deref(), Some("a"));
        assert_eq!(answered_line(r#"{"input":"a","error":"x"}"#), None);
        let row = |line| answered_row(rows(line).next().unwrap());
        assert_eq!(row("\"a,b\",,cat").as_deref(), Some("a,b"));
        assert_eq!(row("a,broken,"), None);
    }
}
