//! Inputs and outputs in files: `.npz` archives by name, folders of `input_0.pb …` by position.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use lehr_formats::onnx::data::read_value;
use lehr_graph::{Datum, ValueType};
use lehr_runtime::Port;
use lehr_tensor::{TensorError, npz};

/// Why recorded values can not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordedError {
    /// The file system says no.
    #[error("'{}' can not be read: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The archive is damaged or holds something that is no array.
    #[error("'{}' can not be read: {source}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: TensorError,
    },
    /// A value file is damaged or of another type than the model's.
    #[error("'{}' can not be read: {problem}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The folder holds more values than the model has places.
    #[error("'{}' has no place: the model has {expected} {kind}s", path.display())]
    TooMany {
        /// The first file too many.
        path: PathBuf,
        /// `input` or `output`.
        kind: &'static str,
        /// How many the model has.
        expected: usize,
    },
    /// The folder holds no such file.
    #[error("'{}' holds no {kind}_0.pb", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
        /// `input` or `output`.
        kind: &'static str,
    },
}

/// Which side of a model recorded values are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Inputs.
    Input,
    /// Outputs.
    Output,
}

impl Side {
    fn word(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// Reads an `.npz` archive (names as in the file) or a folder of `input_0.pb …` (names as in `ports`).
///
/// # Errors
/// [`RecordedError`].
pub fn read(path: &Path, ports: &[Port], side: Side) -> Result<Vec<(String, Datum)>, RecordedError> {
    if path.is_dir() {
        return read_folder(path, ports, side);
    }
    Ok(read_npz(path)?.into_iter().map(|(name, tensor)| (name, tensor.into())).collect())
}

/// Reads all arrays of an archive in file order.
///
/// # Errors
/// [`RecordedError::Io`], [`RecordedError::Archive`].
pub fn read_npz(path: &Path) -> Result<Vec<(String, lehr_tensor::Tensor)>, RecordedError> {
    let file = File::open(path).map_err(|source| RecordedError::Io { path: path.to_owned(), source })?;
    npz::read(BufReader::new(file)).map_err(|source| RecordedError::Archive { path: path.to_owned(), source })
}

/// Reads `input_0.pb …` or `output_0.pb …` of a folder; gaps in the numbers are absent optional values.
///
/// # Errors
/// [`RecordedError`].
pub fn read_folder(folder: &Path, ports: &[Port], side: Side) -> Result<Vec<(String, Datum)>, RecordedError> {
    let kind = side.word();
    let mut values = Vec::new();
    for (index, path) in numbered_files(folder, kind)? {
        let port = ports.get(index).ok_or_else(|| RecordedError::TooMany {
            path: path.clone(),
            kind,
            expected: ports.len(),
        })?;
        values.push((port.name.clone(), read_file(&path, &port.ty)?));
    }
    if values.is_empty() && !ports.is_empty() {
        return Err(RecordedError::Empty { path: folder.to_owned(), kind });
    }
    Ok(values)
}

fn read_file(path: &Path, ty: &ValueType) -> Result<Datum, RecordedError> {
    let bytes = std::fs::read(path).map_err(|source| RecordedError::Io { path: path.to_owned(), source })?;
    read_value(bytes.into(), ty).map_err(|problem| RecordedError::Value { path: path.to_owned(), problem })
}

/// Files `KIND_N.pb` of a folder with their numbers, in their order.
fn numbered_files(folder: &Path, kind: &str) -> Result<Vec<(usize, PathBuf)>, RecordedError> {
    let io = |source| RecordedError::Io { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_prefix(kind).and_then(|rest| rest.strip_prefix('_')?.strip_suffix(".pb"));
        if let Some(number) = number.and_then(|number| number.parse().ok()) {
            files.push((number, path));
        }
    }
    files.sort();
    Ok(files)
}
