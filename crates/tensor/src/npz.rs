//! Reading and writing numpy's `.npz` archives: zip files of [`.npy`](crate::npy) entries.
//!
//! Entries keep their order. What an archive may make the reader allocate is bounded by the archive's own size: the
//! sizes that all entries declare together must be reachable by deflate, and each array's shape must fit the
//! declared size of its entry before memory is taken for it.

use std::io::{Read, Seek, SeekFrom, Write};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::{Tensor, TensorError, npy};

/// Deflate cannot expand further than 258 bytes for two bits.
const MAX_EXPANSION: u64 = 1032;
const SUFFIX: &str = ".npy";

/// How entries are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As they are, like `numpy.savez`.
    #[default]
    Stored,
    /// Deflated, like `numpy.savez_compressed`.
    Deflated,
}

/// An open archive whose arrays are read one at a time.
pub struct NpzReader<R> {
    archive: ZipArchive<R>,
    /// Name without suffix, index in the archive.
    entries: Vec<(String, usize)>,
}

impl<R: Read + Seek> NpzReader<R> {
    /// Reads the directory. Entries that are no `.npy` files are passed over.
    pub fn new(mut reader: R) -> Result<Self, TensorError> {
        let size = reader.seek(SeekFrom::End(0))?;
        let mut archive = ZipArchive::new(reader).map_err(damage)?;
        let (mut entries, mut total) = (Vec::new(), 0u64);
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index).map_err(damage)?;
            total = total.saturating_add(entry.size());
            if let Some(name) = entry.name().strip_suffix(SUFFIX) {
                entries.push((name.to_owned(), index));
            }
        }
        if total > size.saturating_mul(MAX_EXPANSION) {
            return Err(TensorError::Npz(format!(
                "entries claim {total} bytes, more than an archive of {size} bytes can hold"
            )));
        }
        Ok(NpzReader { archive, entries })
    }

    /// Names of the arrays, in file order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    /// Reads the array of that name; `None` when there is none.
    pub fn get(&mut self, name: &str) -> Option<Result<Tensor, TensorError>> {
        let index = self.entries.iter().find(|(have, _)| have == name)?.1;
        Some(self.read_entry(index))
    }

    /// Reads all arrays, in file order.
    pub fn read_all(mut self) -> Result<Vec<(String, Tensor)>, TensorError> {
        let entries = std::mem::take(&mut self.entries);
        entries.into_iter().map(|(name, index)| Ok((name, self.read_entry(index)?))).collect()
    }

    fn read_entry(&mut self, index: usize) -> Result<Tensor, TensorError> {
        let mut entry = self.archive.by_index(index).map_err(damage)?;
        let (name, size) = (entry.name().to_owned(), entry.size());
        let within = |error| TensorError::Npz(format!("entry {name:?}: {error}"));
        let tensor = npy::read_exactly(&mut entry, size).map_err(within)?;
        // The checksum is compared only when the end of the entry is reached.
        match entry.read(&mut [0]) {
            Ok(0) => Ok(tensor),
            Ok(_) => Err(within(TensorError::Npy("data goes on behind the declared size".into()))),
            Err(error) => Err(within(error.into())),
        }
    }
}

/// Reads all arrays of an archive, in file order.
pub fn read(reader: impl Read + Seek) -> Result<Vec<(String, Tensor)>, TensorError> {
    NpzReader::new(reader)?.read_all()
}

/// Writes an archive; the same arrays always give the same bytes. Fails on repeated names.
pub fn write<'a>(
    writer: impl Write + Seek,
    arrays: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    compression: Compression,
) -> Result<(), TensorError> {
    let mut archive = ZipWriter::new(writer);
    let method = match compression {
        Compression::Stored => CompressionMethod::Stored,
        Compression::Deflated => CompressionMethod::Deflated,
    };
    for (name, tensor) in arrays {
        let large = npy::written_len(tensor) > u64::from(u32::MAX / 2);
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .last_modified_time(zip::DateTime::default())
            .large_file(large);
        archive.start_file(format!("{name}{SUFFIX}"), options).map_err(damage)?;
        npy::write(&mut archive, tensor)?;
    }
    archive.finish().map_err(damage)?;
    Ok(())
}

fn damage(error: ZipError) -> TensorError {
    match error {
        ZipError::Io(error) => TensorError::Io(error),
        error => TensorError::Npz(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn sample() -> Vec<(String, Tensor)> {
        vec![
            ("z".into(), Tensor::from_vec(&[2, 2], vec![1.0f32, 2.0, 3.0, 4.0]).unwrap()),
            ("a/b".into(), Tensor::scalar(7i64)),
            ("text".into(), Tensor::from_strings(&[1], vec!["hé".into()]).unwrap()),
            ("flat".into(), Tensor::zeros(crate::DataType::U8, &[3_000_000]).unwrap()),
        ]
    }

    fn packed(compression: Compression) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        let arrays = sample();
        write(&mut out, arrays.iter().map(|(name, tensor)| (name.as_str(), tensor)), compression).unwrap();
        out.into_inner()
    }

    #[test]
    fn archives_round_trip_in_order() {
        for compression in [Compression::Stored, Compression::Deflated] {
            let bytes = packed(compression);
            assert_eq!(read(Cursor::new(&bytes)).unwrap(), sample());
            assert_eq!(bytes, packed(compression));
            let mut reader = NpzReader::new(Cursor::new(&bytes)).unwrap();
            assert_eq!(reader.names().collect::<Vec<_>>(), ["z", "a/b", "text", "flat"]);
            assert_eq!(reader.get("a/b").unwrap().unwrap(), Tensor::scalar(7i64));
            assert!(reader.get("none").is_none());
        }
    }

    #[test]
    fn repeated_names_are_refused() {
        let tensor = Tensor::scalar(1u8);
        let out = write(Cursor::new(Vec::new()), [("a", &tensor), ("a", &tensor)], Compression::Stored);
        assert!(matches!(out, Err(TensorError::Npz(_))));
    }

    #[test]
    fn damage_is_found() {
        let mut out = Cursor::new(Vec::new());
        let tensor = Tensor::vector((0..200u8).collect::<Vec<_>>());
        write(&mut out, [("a", &tensor)], Compression::Stored).unwrap();
        let good = out.into_inner();
        for cut in 0..good.len() {
            assert!(read(Cursor::new(&good[..cut])).is_err(), "{cut}");
        }
        // Offsets of name, header and data differ by version of the zip crate; the data is found by its content.
        let at = good.windows(4).position(|w| w == [10, 11, 12, 13]).unwrap();
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(read(Cursor::new(&bad)).unwrap_err().to_string().contains("\"a.npy\""));
        for at in 0..good.len() {
            for flip in [1, 8, 128] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                let _ = read(Cursor::new(&bad));
            }
        }
    }
}
