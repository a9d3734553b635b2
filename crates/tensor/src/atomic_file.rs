//! Files that appear whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A buffered file that takes its name only when it is [committed](AtomicFile::commit), and vanishes when it is dropped
/// before; until then, what was there under that name stays there.
///
/// It is written beside its target, since renaming does not cross file systems.
#[derive(Debug)]
pub struct AtomicFile {
    file: BufWriter<File>,
    // Declared after the file, which is thus closed first: some systems do not remove open files.
    temporary: Temporary,
    target: PathBuf,
}

impl AtomicFile {
    /// Begins a file that will be called `target`.
    ///
    /// # Errors
    /// When `target` is a folder or names no file, and when its folder can not be written to.
    pub fn create(target: impl AsRef<Path>) -> io::Result<Self> {
        let target = target.as_ref().to_owned();
        if target.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        let Some(name) = target.file_name() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it names no file"));
        };
        let name = name.to_string_lossy();
        let mut number = 0u64;
        loop {
            let temporary = target.with_file_name(format!(".{name}.{}-{number}.part", std::process::id()));
            match File::create_new(&temporary) {
                Ok(file) => {
                    let (file, temporary) = (BufWriter::new(file), Temporary(temporary));
                    return Ok(Self { file, temporary, target });
                }
                // Another writer of this process, or one that was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes everything to the disk and gives the file its name.
    ///
    /// # Errors
    /// When the rest can not be written or the name can not be taken; nothing is left then.
    pub fn commit(self) -> io::Result<()> {
        let Self { file, temporary, target } = self;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        // Some file systems tell of a full disk only here.
        file.sync_all()?;
        drop(file);
        std::fs::rename(&temporary.0, target)
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

/// Removed when dropped; after the renaming there is nothing left to remove.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_appear_whole_or_not_at_all() {
        let folder = std::env::temp_dir().join(format!("lehr-atomic-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("file");
        let entries = || std::fs::read_dir(&folder).unwrap().count();
        let mut abandoned = AtomicFile::create(&path).unwrap();
        abandoned.write_all(b"half").unwrap();
        let mut second = AtomicFile::create(&path).unwrap();
        second.write_all(b"xhole").unwrap();
        second.rewind().unwrap();
        second.write_all(b"w").unwrap();
        assert!(!path.exists());
        second.commit().unwrap();
        drop(abandoned);
        assert_eq!((std::fs::read(&path).unwrap(), entries()), (b"whole".to_vec(), 1));
        assert!(AtomicFile::create(&folder).unwrap_err().to_string().contains("folder"));
        assert!(AtomicFile::create(folder.join("no/such")).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
