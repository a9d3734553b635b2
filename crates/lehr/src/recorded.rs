//! Inputs and outputs in files: `.npz` archives by name, folders of `input_0.pb …` by position.
//!
//! An archive holds arrays by the name of a graph input or output. An output may be marked, as `output:NAME`, and
//! an input may be given as bytes with `scale:NAME` and `offset:NAME` (f32 scalars): it is then `NAME · scale + offset`,
//! product and sum each rounded to f32.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use lehr_formats::onnx::data::read_value;
use lehr_graph::{Datum, ValueType};
use lehr_runtime::Port;
use lehr_tensor::{DataType, Tensor, TensorError, npz};

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

/// Inputs of a run, and outputs that another runtime gave for them.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Inputs by name.
    pub inputs: Vec<(String, Datum)>,
    /// Outputs by name; empty when only inputs were recorded.
    pub outputs: Vec<(String, Datum)>,
}

impl Recording {
    /// Reads an `.npz` archive or a folder of `input_0.pb …` and `output_0.pb …`. Arrays that name neither input nor
    /// output count as inputs, so that running with them says which names there are.
    ///
    /// # Errors
    /// [`RecordedError`].
    pub fn read(path: &Path, inputs: &[Port], outputs: &[Port]) -> Result<Self, RecordedError> {
        if path.is_dir() {
            let outputs = match read_folder(path, outputs, Side::Output) {
                Err(RecordedError::Empty { .. }) => Vec::new(),
                other => other?,
            };
            return Ok(Self { inputs: read_folder(path, inputs, Side::Input)?, outputs });
        }
        let arrays = read_npz(path)?;
        let has = |ports: &[Port], name: &str| ports.iter().any(|port| port.name == name);
        let mut recording = Self::default();
        for (name, tensor) in &arrays {
            if has(inputs, name) {
                let tensor = rescaled(name, tensor, &arrays).map_err(|problem| RecordedError::Value {
                    path: path.to_owned(),
                    problem: format!("array '{name}': {problem}"),
                })?;
                recording.inputs.push((name.clone(), tensor.into()));
                continue;
            }
            let output = name.strip_prefix("output:").unwrap_or(name);
            if has(outputs, output) {
                recording.outputs.push((output.to_owned(), tensor.clone().into()));
                continue;
            }
            let scales = name.strip_prefix("scale:").or_else(|| name.strip_prefix("offset:"));
            if !scales.is_some_and(|name| has(inputs, name)) {
                recording.inputs.push((name.clone(), tensor.clone().into()));
            }
        }
        Ok(recording)
    }
}

/// The array times its scale plus its offset, if it has them.
fn rescaled(name: &str, tensor: &Tensor, arrays: &[(String, Tensor)]) -> Result<Tensor, TensorError> {
    let factor = |kind: &str| {
        let key = format!("{kind}:{name}");
        arrays.iter().find(|(own, _)| *own == key).map(|(_, tensor)| tensor.item::<f32>()).transpose()
    };
    let (Some(scale), Some(offset)) = (factor("scale")?, factor("offset")?) else {
        return Ok(tensor.clone());
    };
    let numbers = tensor.cast(DataType::F32, Default::default())?.into_vec::<f32>()?;
    Tensor::from_vec(tensor.shape(), numbers.into_iter().map(|x| x * scale + offset).collect())
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

/// Reads all arrays of an archive in file order.
///
/// # Errors
/// [`RecordedError::Io`], [`RecordedError::Archive`].
pub fn read_npz(path: &Path) -> Result<Vec<(String, Tensor)>, RecordedError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_hold_inputs_scaled_inputs_and_outputs() {
        let port = |name: &str| Port { name: name.into(), ty: ValueType::Unknown };
        let arrays = [
            ("x", Tensor::vector(vec![0u8, 2])),
            ("scale:x", Tensor::scalar(0.5f32)),
            ("offset:x", Tensor::scalar(-1.0f32)),
            ("output:y", Tensor::scalar(7i64)),
            ("stranger", Tensor::scalar(1i64)),
        ];
        let path = std::env::temp_dir().join(format!("lehr-recorded-{}.npz", std::process::id()));
        let file = File::create(&path).unwrap();
        npz::write(file, arrays.iter().map(|(n, t)| (*n, t)), npz::Compression::Stored).unwrap();
        let recording = Recording::read(&path, &[port("x")], &[port("y")]);
        std::fs::remove_file(&path).unwrap();
        let recording = recording.unwrap();
        let x = Datum::from(Tensor::vector(vec![-1.0f32, 0.0]));
        assert_eq!(recording.inputs[0], ("x".into(), x));
        assert_eq!(recording.inputs[1].0, "stranger");
        assert_eq!(recording.outputs, [("y".into(), Tensor::scalar(7i64).into())]);
    }
}
