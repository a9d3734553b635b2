//! Open bundles.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use lehr_tensor::{Bytes, map_file};

use crate::error::BundleError;
use crate::header::{HEADER_LENGTH, Header, MAGIC};
use crate::kind::Kind;
use crate::table::{self, Segment};
use crate::verify::{self, Report};

/// How a file is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Read the whole file into memory instead of mapping it: for files that may be truncated or rewritten in place
    /// while they are in use.
    pub copy: bool,
}

/// An open bundle. Cloning is cheap: clones share the memory.
#[derive(Clone, Debug)]
pub struct Bundle {
    data: Bytes,
    table_length: u64,
    segments: Vec<Segment>,
}

impl Bundle {
    /// Maps a file and reads its header and table, nothing else.
    ///
    /// # Errors
    /// [`BundleError`], also when a required segment is not known.
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Self, BundleError> {
        let data = if options.copy { std::fs::read(path)?.into() } else { map_file(path)? };
        Self::from_bytes(data)
    }

    /// Reads header and table of a bundle in memory.
    ///
    /// # Errors
    /// As [`Bundle::open`].
    pub fn from_bytes(data: Bytes) -> Result<Self, BundleError> {
        let got = data.len() as u64;
        let header = Header::decode(&data, got)?;
        let table = slice(&data, HEADER_LENGTH, header.table_length).ok_or_else(|| {
            let most = got.saturating_sub(HEADER_LENGTH);
            BundleError::invalid("header", format!("a table of at most {most} bytes"), header.table_length)
        })?;
        if blake3::hash(&table) != header.table_hash {
            return Err(BundleError::Hash { part: "table of segments" });
        }
        let segments = table::decode(&table, &header)?;
        Ok(Self { data, table_length: header.table_length, segments })
    }

    /// All segments in the order of the file, those that can not be used included.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The segment of that kind and name, if it is there and this version can use it.
    pub fn find(&self, kind: Kind, name: &str) -> Option<&Segment> {
        self.segments.iter().find(|s| s.kind == kind && s.name == name && s.is_usable())
    }

    /// The content of a segment of this bundle, sharing its memory. It is not checked against its hash: see
    /// [`Bundle::verify`].
    pub fn content(&self, segment: &Segment) -> Bytes {
        slice(&self.data, segment.offset, segment.length).unwrap_or_default()
    }

    /// The content of the unnamed segment of that kind.
    ///
    /// # Errors
    /// [`BundleError::Missing`].
    pub fn require(&self, kind: Kind) -> Result<Bytes, BundleError> {
        match self.find(kind, "") {
            Some(segment) => Ok(self.content(segment)),
            None => Err(BundleError::Missing { kind }),
        }
    }

    /// Bytes of the file.
    pub fn byte_len(&self) -> u64 {
        self.data.len() as u64
    }

    /// Reads the whole file and compares every segment with its hash and all padding with zeros.
    pub fn verify(&self) -> Report {
        verify::verify(&self.data, HEADER_LENGTH.saturating_add(self.table_length), &self.segments)
    }
}

/// A part of the file; `None` when it is not all there.
pub(crate) fn slice(data: &Bytes, offset: u64, length: u64) -> Option<Bytes> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    (end <= data.len()).then(|| data.slice(start..end))
}

/// Whether a file begins like a bundle.
///
/// # Errors
/// When the file can not be read.
pub fn is_bundle(path: impl AsRef<Path>) -> std::io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(start == MAGIC)
}
