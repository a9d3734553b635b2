//! External data: tensors kept in files beside the model.
//!
//! A model names those files, so the names are hostile until proven otherwise: only regular files inside the model's
//! own folder are read, whatever links and dots the name is made of.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use super::proto::StringStringEntryProto;
use super::{ReadOptions, file_bytes};
use bytes::Bytes;

/// Opens the files beside one model, each once.
#[derive(Debug, Default)]
pub(super) struct ExternalFiles {
    folder: Option<PathBuf>,
    options: ReadOptions,
    opened: HashMap<String, Bytes>,
}

impl ExternalFiles {
    /// Files beside the model in `folder`; without a folder every reference is an error.
    pub(super) fn new(folder: Option<&Path>, options: ReadOptions) -> Self {
        Self { folder: folder.map(Path::to_owned), options, opened: HashMap::new() }
    }

    /// The bytes that `entries` (`location`, `offset`, `length`) describe.
    ///
    /// # Errors
    /// A sentence about what is wrong with the reference or the file.
    pub(super) fn resolve(&mut self, entries: &[StringStringEntryProto]) -> Result<Bytes, String> {
        let get = |key: &str| entries.iter().find(|e| e.key() == key).map(StringStringEntryProto::value);
        let number = |key: &str| {
            get(key).map(|text| {
                text.parse::<usize>().map_err(|_| format!("external data {key} '{text}' is no size"))
            })
        };
        let location = get("location").ok_or("external data without a location")?;
        let offset = number("offset").transpose()?.unwrap_or(0);
        let file = self.open(location)?;
        let length = match number("length").transpose()? {
            Some(length) => length,
            None => file.len().saturating_sub(offset),
        };
        match offset.checked_add(length) {
            Some(end) if end <= file.len() => Ok(file.slice(offset..end)),
            _ => Err(format!(
                "external data '{location}' has {} bytes, expected {length} at offset {offset}",
                file.len()
            )),
        }
    }

    fn open(&mut self, location: &str) -> Result<Bytes, String> {
        if let Some(bytes) = self.opened.get(location) {
            return Ok(bytes.clone());
        }
        let folder = self
            .folder
            .as_deref()
            .ok_or("external data can not be found: the model was not read from a file")?;
        let path = safe_path(folder, location)?;
        let bytes = file_bytes(&path, self.options)
            .map_err(|e| format!("external data '{location}' can not be read: {e}"))?;
        self.opened.insert(location.to_owned(), bytes.clone());
        Ok(bytes)
    }
}

/// `location` inside `folder`, with links resolved.
fn safe_path(folder: &Path, location: &str) -> Result<PathBuf, String> {
    let relative = Path::new(location);
    let plain = relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if !plain || location.is_empty() || location.contains('\\') {
        return Err(format!("external data '{location}' leads out of the model's folder"));
    }
    let root = folder.canonicalize().map_err(|e| format!("the model's folder can not be read: {e}"))?;
    let path = root.join(relative);
    let resolved =
        path.canonicalize().map_err(|e| format!("external data '{location}' can not be read: {e}"))?;
    if !resolved.starts_with(&root) {
        return Err(format!("external data '{location}' leads out of the model's folder"));
    }
    if !resolved.is_file() {
        return Err(format!("external data '{location}' is not a regular file"));
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, value: &str) -> StringStringEntryProto {
        StringStringEntryProto { key: Some(key.into()), value: Some(value.into()) }
    }

    #[test]
    fn stays_in_the_folder() {
        let dir = std::env::temp_dir().join(format!("lehr-external-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("model")).unwrap();
        std::fs::write(dir.join("secret"), b"secret").unwrap();
        std::fs::write(dir.join("model/weights"), b"0123456789").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("../secret", dir.join("model/link")).unwrap();
        let mut files = ExternalFiles::new(Some(&dir.join("model")), ReadOptions::default());
        let good = [entry("location", "weights"), entry("offset", "2"), entry("length", "3")];
        assert_eq!(&files.resolve(&good).unwrap()[..], b"234");
        for bad in ["../secret", "/etc/passwd", "a/../../secret", "..\\secret", "", "link", "."] {
            assert!(files.resolve(&[entry("location", bad)]).is_err(), "{bad}");
        }
        for (key, value) in
            [("offset", "11"), ("length", "11"), ("offset", "-1"), ("length", "99999999999999999999")]
        {
            assert!(
                files.resolve(&[entry("location", "weights"), entry(key, value)]).is_err(),
                "{key}={value}"
            );
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
