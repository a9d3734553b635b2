//! The table of segments.

use blake3::Hash;

use crate::error::BundleError;
use crate::fields::Fields;
use crate::header::{HEADER_LENGTH, Header, MUST_KNOW};
use crate::kind::Kind;
use crate::name::check_name;

/// The file must be refused by who can not use this segment.
pub(crate) const REQUIRED: u32 = 1;
/// Bytes of an entry before its name; names are padded with zeros to a multiple of eight.
const FIXED: usize = 72;
/// Segments lie closer together than this.
const MOST_PADDING: u64 = 4096;

/// One entry of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// What it holds.
    pub kind: Kind,
    /// The instruction-set family that it is for; 0 for all.
    pub family: u32,
    /// Bit 0: required. A segment with another of the lower 16 bits set can not be used by this version.
    pub flags: u32,
    /// A relative path for [`Kind::FILE`], empty for all other known kinds.
    pub name: String,
    /// Bytes from the start of the file.
    pub offset: u64,
    /// Bytes as stored.
    pub length: u64,
    /// BLAKE3 of the bytes as stored.
    pub hash: Hash,
}

impl Segment {
    /// Whether a reader that can not use this segment must refuse the file.
    pub fn is_required(&self) -> bool {
        self.flags & REQUIRED != 0
    }

    /// Whether this version can use the segment.
    pub fn is_usable(&self) -> bool {
        self.kind.is_known() && self.family == 0 && self.flags & MUST_KNOW & !REQUIRED == 0
    }

    /// The first byte behind it; saturates, which no file reaches.
    pub(crate) fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// The table as bytes.
pub(crate) fn encode(segments: &[Segment]) -> Vec<u8> {
    let mut out = Vec::new();
    for segment in segments {
        out.extend(segment.kind.0.to_le_bytes());
        out.extend(segment.flags.to_le_bytes());
        out.extend(segment.family.to_le_bytes());
        // At most 1024 by the check of names.
        out.extend((segment.name.len() as u32).to_le_bytes());
        out.extend(segment.offset.to_le_bytes());
        out.extend(segment.length.to_le_bytes());
        out.extend([0; 8]);
        out.extend(segment.hash.as_bytes());
        out.extend(segment.name.as_bytes());
        out.resize(out.len().next_multiple_of(8), 0);
    }
    out
}

/// Reads the table and checks that the segments lie in order behind it, close together, up to the end of the file.
pub(crate) fn decode(table: &[u8], header: &Header) -> Result<Vec<Segment>, BundleError> {
    let mut fields = Fields(table);
    let mut segments: Vec<Segment> = Vec::new();
    let mut end = HEADER_LENGTH.saturating_add(header.table_length);
    for index in 0..header.segments {
        let short = || BundleError::invalid("table", format!("{} segments", header.segments), index);
        let (segment, zeros) = read_entry(&mut fields).ok_or_else(short)?;
        let segment = segment?;
        if !zeros {
            return Err(BundleError::invalid(place(&segment), "zeros in reserved bytes", "others"));
        }
        check(&segment, end, header.file_length)?;
        end = segment.end();
        segments.push(segment);
    }
    if !fields.is_empty() {
        return Err(BundleError::invalid("table", "its end", format!("{} more bytes", fields.0.len())));
    }
    if end != header.file_length {
        return Err(BundleError::invalid(
            "table",
            format!("segments up to byte {}", header.file_length),
            end,
        ));
    }
    check_unique(&segments)?;
    Ok(segments)
}

/// The entry, and whether its reserved bytes are zeros.
fn read_entry(fields: &mut Fields<'_>) -> Option<(Result<Segment, BundleError>, bool)> {
    let kind = Kind(fields.u32()?);
    let flags = fields.u32()?;
    let family = fields.u32()?;
    let name_length = usize::try_from(fields.u32()?).ok()?;
    let (offset, length) = (fields.u64()?, fields.u64()?);
    let reserved = fields.u64()?;
    let hash = Hash::from_bytes(fields.array()?);
    let name = fields.take(name_length)?;
    let padding = fields.take(name_length.next_multiple_of(8) - name_length)?;
    let zeros = reserved == 0 && padding.iter().all(|&byte| byte == 0);
    let Ok(name) = std::str::from_utf8(name) else {
        return Some((Err(BundleError::invalid("table", "names in UTF-8", "other bytes")), zeros));
    };
    Some((Ok(Segment { kind, family, flags, name: name.to_owned(), offset, length, hash }), zeros))
}

fn place(segment: &Segment) -> String {
    format!("segment {} '{}'", segment.kind, segment.name)
}

fn check(segment: &Segment, end: u64, file_length: u64) -> Result<(), BundleError> {
    if segment.is_required() && !segment.is_usable() {
        let Segment { kind, flags, ref name, .. } = *segment;
        return Err(BundleError::Required { kind, name: name.clone(), flags });
    }
    let alignment = segment.kind.alignment();
    let highest = end.saturating_add(MOST_PADDING);
    if !segment.offset.is_multiple_of(alignment) || !(end..highest).contains(&segment.offset) {
        let expected = format!("an offset of {end} or the next multiples of {alignment}");
        return Err(BundleError::invalid(place(segment), expected, segment.offset));
    }
    if segment.offset.checked_add(segment.length).is_none_or(|end| end > file_length) {
        let expected = format!("at most {} bytes", file_length.saturating_sub(segment.offset));
        return Err(BundleError::invalid(place(segment), expected, segment.length));
    }
    check_segment_name(segment.kind, &segment.name)
}

/// Files have names, other known kinds have none.
pub(crate) fn check_segment_name(kind: Kind, name: &str) -> Result<(), BundleError> {
    match (kind, name) {
        (Kind::FILE, name) => check_name(name),
        (_, "") => Ok(()),
        (kind, name) if kind.is_known() => {
            Err(BundleError::Name { name: name.to_owned(), problem: "only files have names" })
        }
        (_, name) => check_name(name),
    }
}

/// No two segments of one kind and family have the same name.
pub(crate) fn check_unique(segments: &[Segment]) -> Result<(), BundleError> {
    let mut keys: Vec<_> = segments.iter().map(|s| (s.kind, s.family, s.name.as_str())).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            let (kind, _, name) = pair[0];
            Err(BundleError::invalid("table", format!("one segment {kind} '{name}'"), "two"))
        }
        None => Ok(()),
    }
}

/// Bytes of the table of these segments.
pub(crate) fn length(names: impl Iterator<Item = usize>) -> u64 {
    names.map(|name| (FIXED + name.next_multiple_of(8)) as u64).sum()
}
