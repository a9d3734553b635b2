//! Files that steps name: label lists, vocabularies, tokenizers.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;

use lehr_tensor::Bytes;

use crate::StepError;

/// The largest file that a step may name, in bytes.
const MAX_FILE: u64 = 256 << 20;

/// Where the files of a pipeline are.
pub trait Files {
    /// The content of the file of that name, a relative path with forward slashes.
    ///
    /// # Errors
    /// [`StepError::File`].
    fn read(&self, name: &str) -> Result<Bytes, StepError>;
}

/// Files in a folder; nothing outside of it can be named.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

impl Files for Folder {
    fn read(&self, name: &str) -> Result<Bytes, StepError> {
        let relative = Path::new(name);
        let inside =
            relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside {
            return Err(StepError::file(name, "expected a path inside the folder of the pipeline"));
        }
        let path = self.0.join(relative);
        let failed = |error: std::io::Error| StepError::file(name, format!("'{}': {error}", path.display()));
        let size = std::fs::metadata(&path).map_err(failed)?.len();
        if size > MAX_FILE {
            return Err(StepError::file(name, format!("expected at most {MAX_FILE} bytes, got {size}")));
        }
        std::fs::read(&path).map(Bytes::from).map_err(failed)
    }
}

/// Files in memory, as a bundle holds them.
#[derive(Clone, Debug, Default)]
pub struct InMemory(pub BTreeMap<String, Bytes>);

impl Files for InMemory {
    fn read(&self, name: &str) -> Result<Bytes, StepError> {
        self.0.get(name).cloned().ok_or_else(|| {
            let there = self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            StepError::file(name, format!("it is not in the bundle, which holds: {there}"))
        })
    }
}

/// A pipeline without files.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, name: &str) -> Result<Bytes, StepError> {
        Err(StepError::file(name, "this pipeline has no files"))
    }
}

/// Passes files through and remembers them, to put them into a bundle.
#[derive(Debug)]
pub struct Recorder<F> {
    files: F,
    read: Mutex<BTreeMap<String, Bytes>>,
}

impl<F: Files> Recorder<F> {
    /// Files read through this recorder come from `files`.
    pub fn new(files: F) -> Self {
        Self { files, read: Mutex::default() }
    }

    /// Everything that was read.
    pub fn into_files(self) -> BTreeMap<String, Bytes> {
        self.read.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<F: Files> Files for Recorder<F> {
    fn read(&self, name: &str) -> Result<Bytes, StepError> {
        let bytes = self.files.read(name)?;
        let mut read = self.read.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        read.insert(name.to_owned(), bytes.clone());
        Ok(bytes)
    }
}
