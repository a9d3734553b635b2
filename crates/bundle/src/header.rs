//! The first bytes of a bundle.

use blake3::Hash;

use crate::error::BundleError;
use crate::fields::Fields;

/// The first bytes of every bundle: not text, and damaged by whatever converts line ends or drops eighth bits.
pub const MAGIC: [u8; 8] = *b"\x89LEHR\r\n\x1a";
/// The container version that is written, and the newest that can be read.
pub const VERSION: u32 = 1;

/// Bytes of the header; the table follows it.
pub(crate) const HEADER_LENGTH: u64 = 128;
/// The hash over all before it stands at the end.
const HASHED: usize = 96;
const RESERVED: usize = 16;
/// Flags that a reader must know; it may ignore the upper ones.
pub(crate) const MUST_KNOW: u32 = 0xffff;

/// Where the table is and what hash it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of the file.
    pub file_length: u64,
    /// Bytes of the table.
    pub table_length: u64,
    /// Segments in the table.
    pub segments: u32,
    /// Hash of the table.
    pub table_hash: Hash,
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(VERSION.to_le_bytes());
        out.extend(0u32.to_le_bytes());
        out.extend(self.file_length.to_le_bytes());
        out.extend(HEADER_LENGTH.to_le_bytes());
        out.extend(self.table_length.to_le_bytes());
        out.extend(self.segments.to_le_bytes());
        out.extend(0u32.to_le_bytes());
        out.extend(self.table_hash.as_bytes());
        out.extend([0; RESERVED]);
        let hash = blake3::hash(&out);
        out.extend(hash.as_bytes());
        out
    }

    /// Reads the header of a file of `got` bytes from its first bytes.
    pub(crate) fn decode(bytes: &[u8], got: u64) -> Result<Self, BundleError> {
        if !bytes.starts_with(&MAGIC) {
            return Err(BundleError::Magic);
        }
        let short = || BundleError::Length { expected: HEADER_LENGTH, got };
        let mut fields = Fields(bytes);
        fields.take(MAGIC.len()).ok_or_else(short)?;
        // Before the hash: another version may place it elsewhere.
        match fields.u32().ok_or_else(short)? {
            VERSION => {}
            got => return Err(BundleError::Version { got }),
        }
        let mut hashed = Fields(bytes);
        let covered = hashed.take(HASHED).ok_or_else(short)?;
        if blake3::hash(covered) != Hash::from_bytes(hashed.array().ok_or_else(short)?) {
            return Err(BundleError::Hash { part: "header" });
        }
        let header = Self::decode_hashed(fields).ok_or_else(short)??;
        if header.file_length != got {
            return Err(BundleError::Length { expected: header.file_length, got });
        }
        Ok(header)
    }

    fn decode_hashed(mut fields: Fields<'_>) -> Option<Result<Self, BundleError>> {
        let flags = fields.u32()?;
        let file_length = fields.u64()?;
        let table_offset = fields.u64()?;
        let table_length = fields.u64()?;
        let segments = fields.u32()?;
        let zero = fields.u32()?;
        let table_hash = Hash::from_bytes(fields.array()?);
        let reserved = fields.array::<RESERVED>()?;
        if flags & MUST_KNOW != 0 {
            return Some(Err(BundleError::Flags { flags: flags & MUST_KNOW }));
        }
        if table_offset != HEADER_LENGTH {
            let expected = format!("the table at {HEADER_LENGTH}");
            return Some(Err(BundleError::invalid("header", expected, table_offset)));
        }
        if zero != 0 || reserved != [0; RESERVED] {
            return Some(Err(BundleError::invalid("header", "zeros in reserved bytes", "others")));
        }
        Some(Ok(Self { file_length, table_length, segments, table_hash }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip_and_every_flip_is_found() {
        let header =
            Header { file_length: 1000, table_length: 80, segments: 1, table_hash: blake3::hash(b"table") };
        let bytes = header.encode();
        assert_eq!(bytes.len() as u64, HEADER_LENGTH);
        assert_eq!(Header::decode(&bytes, 1000).unwrap(), header);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&flipped, 1000).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(Header::decode(&bytes[..length], length as u64).is_err());
        }
        assert!(matches!(Header::decode(&bytes, 999), Err(BundleError::Length { expected: 1000, got: 999 })));
    }
}
