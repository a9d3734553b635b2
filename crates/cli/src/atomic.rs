//! Files that appear whole or not at all.

use std::io::{self, Write};
use std::path::Path;

use lehr::tensor::AtomicFile;

use crate::failure::Failure;

/// Writes `path` through `write`; when anything fails, what was there before is still there and nothing else is.
pub fn write_file(path: &Path, write: impl FnOnce(&mut AtomicFile) -> io::Result<()>) -> Result<(), Failure> {
    let write_all = || {
        let mut file = AtomicFile::create(path)?;
        write(&mut file)?;
        file.commit()
    };
    write_all().map_err(|error| Failure::file(path, "written", error))
}

/// Writes all of `bytes` as a file.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_file(path, |file| file.write_all(bytes))
}
