//! Files that appear whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Writes `path` through `write`; when anything fails, what was there before is still there and nothing else is.
pub fn write_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::file(path, "written", error);
    if path.is_dir() {
        return Err(Failure::file(path, "written", "it is a folder"));
    }
    let temporary = Temporary(temporary_path(path)?);
    let mut file = BufWriter::new(File::create_new(&temporary.0).map_err(failed)?);
    write(&mut file).map_err(failed)?;
    let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
    // Some file systems tell of a full disk only here.
    file.sync_all().map_err(failed)?;
    drop(file);
    std::fs::rename(&temporary.0, path).map_err(failed)
}

/// A name in the same folder, since renaming does not cross file systems.
fn temporary_path(path: &Path) -> Result<PathBuf, Failure> {
    let name = path.file_name().ok_or_else(|| Failure::file(path, "written", "it names no file"))?;
    Ok(path.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), std::process::id())))
}

/// Removed when dropped; after the renaming there is nothing left to remove.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Writes all of `bytes` as a file.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_file(path, |file| file.write_all(bytes))
}
