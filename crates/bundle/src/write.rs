//! Writes bundles: every part is streamed out once, then header and table are filled in.

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;

use lehr_tensor::AtomicFile;

use crate::error::BundleError;
use crate::hash::Hashing;
use crate::header::{HEADER_LENGTH, Header};
use crate::kind::Kind;
use crate::table::{self, REQUIRED, Segment};

/// Writes the content of a part.
type Content<'a> = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + 'a>;

/// A segment to be written.
pub struct Part<'a> {
    /// What it holds.
    pub kind: Kind,
    /// The instruction-set family that it is for; 0 for all.
    pub family: u32,
    /// As [`Segment::flags`].
    pub flags: u32,
    /// A relative path for [`Kind::FILE`], empty for all other known kinds.
    pub name: String,
    content: Content<'a>,
}

impl<'a> Part<'a> {
    /// A part whose content `write` gives, once.
    pub fn streamed(
        kind: Kind,
        name: impl Into<String>,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + 'a,
    ) -> Self {
        Self { kind, family: 0, flags: 0, name: name.into(), content: Box::new(write) }
    }

    /// A part that is in memory.
    pub fn bytes(kind: Kind, name: impl Into<String>, content: &'a [u8]) -> Self {
        Self::streamed(kind, name, |out| out.write_all(content))
    }

    /// The same part, without which the bundle must not be used.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.flags |= REQUIRED;
        self
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteSummary {
    /// Bytes of the bundle.
    pub bytes: u64,
    /// Its segments.
    pub segments: Vec<Segment>,
}

/// Writes a bundle file, or nothing at all.
///
/// # Errors
/// [`BundleError::Io`], [`BundleError::Name`], and [`BundleError::Invalid`] for two parts of one kind and name.
pub fn write_file(path: impl AsRef<Path>, parts: Vec<Part<'_>>) -> Result<WriteSummary, BundleError> {
    let mut file = AtomicFile::create(path)?;
    let summary = write(&mut file, parts)?;
    file.commit()?;
    Ok(summary)
}

/// A bundle in memory.
///
/// # Errors
/// As [`write_file`].
pub fn to_bytes(parts: Vec<Part<'_>>) -> Result<Vec<u8>, BundleError> {
    let mut out = Cursor::new(Vec::new());
    write(&mut out, parts)?;
    Ok(out.into_inner())
}

/// Writes the parts in their order as a bundle that starts where `out` stands.
///
/// # Errors
/// As [`write_file`].
pub fn write(out: &mut (impl Write + Seek), parts: Vec<Part<'_>>) -> Result<WriteSummary, BundleError> {
    for part in &parts {
        table::check_segment_name(part.kind, &part.name)?;
    }
    let start = out.stream_position()?;
    let table_length = table::length(parts.iter().map(|part| part.name.len()));
    let mut at = HEADER_LENGTH + table_length;
    write_zeros(out, at)?;
    let mut segments = Vec::with_capacity(parts.len());
    for part in parts {
        let offset = at.next_multiple_of(part.kind.alignment());
        write_zeros(out, offset - at)?;
        let mut hashing = Hashing::new(out);
        (part.content)(&mut hashing)?;
        let (hash, length) = hashing.finish();
        let Part { kind, family, flags, name, .. } = part;
        segments.push(Segment { kind, family, flags, name, offset, length, hash });
        at = offset + length;
    }
    table::check_unique(&segments)?;
    let table = table::encode(&segments);
    let count = u32::try_from(segments.len())
        .map_err(|_| BundleError::invalid("table", "less than 2^32 segments", segments.len()))?;
    let header = Header { file_length: at, table_length, segments: count, table_hash: blake3::hash(&table) };
    out.seek(SeekFrom::Start(start))?;
    out.write_all(&header.encode())?;
    out.write_all(&table)?;
    out.seek(SeekFrom::Start(start + at))?;
    out.flush()?;
    Ok(WriteSummary { bytes: at, segments })
}

fn write_zeros(out: &mut dyn Write, count: u64) -> io::Result<()> {
    io::copy(&mut io::repeat(0).take(count), &mut { out }).map(drop)
}
