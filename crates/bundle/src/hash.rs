//! Hashes of what is read or written.

use std::io::{self, Read, Write};

use blake3::{Hash, Hasher};

/// BLAKE3 and number of the bytes that `reader` gives.
///
/// # Errors
/// When they can not be read.
pub fn hash_reader(mut reader: impl Read) -> io::Result<(Hash, u64)> {
    let mut hasher = Hasher::new();
    let length = io::copy(&mut reader, &mut hasher)?;
    Ok((hasher.finalize(), length))
}

/// Hashes and counts what passes.
pub(crate) struct Hashing<'a, W> {
    out: &'a mut W,
    hasher: Hasher,
    length: u64,
}

impl<'a, W: Write> Hashing<'a, W> {
    pub(crate) fn new(out: &'a mut W) -> Self {
        Self { out, hasher: Hasher::new(), length: 0 }
    }

    pub(crate) fn finish(self) -> (Hash, u64) {
        (self.hasher.finalize(), self.length)
    }
}

impl<W: Write> Write for Hashing<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or(bytes));
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
