//! Bytes, numbers and texts.

use super::{MAGIC, VERSION, WireError};

pub(super) fn header(kind: u8) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    put_number(&mut out, VERSION);
    out.push(kind);
    out
}

pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(out, (number.wrapping_shl(1) ^ (number >> 63)).cast_unsigned());
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A position in the data.
pub(super) struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn remaining(&self) -> usize {
        self.data.len().saturating_sub(self.at)
    }

    #[cold]
    pub(super) fn invalid<T>(
        &self,
        expected: impl Into<String>,
        got: impl std::fmt::Display,
    ) -> Result<T, WireError> {
        Err(WireError::Invalid { at: self.at, expected: expected.into(), got: got.to_string() })
    }

    pub(super) fn header(&mut self, kind: u8) -> Result<(), WireError> {
        if self.take(MAGIC.len()).map_err(|_| WireError::Magic)? != MAGIC {
            return Err(WireError::Magic);
        }
        let version = self.number()?;
        if version == 0 || version > VERSION {
            return Err(WireError::Version { got: version });
        }
        match self.byte()? {
            got if got == kind => Ok(()),
            got => self.invalid(format!("kind {kind} of the binary form"), got),
        }
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let end = self.at.checked_add(length);
        let bytes = end.and_then(|end| self.data.get(self.at..end));
        let bytes = bytes.ok_or(WireError::Truncated { at: self.at })?;
        self.at += length;
        Ok(bytes)
    }

    pub(super) fn byte(&mut self) -> Result<u8, WireError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let at = self.at;
        self.take(N)?.try_into().map_err(|_| WireError::Truncated { at })
    }

    pub(super) fn number(&mut self) -> Result<u64, WireError> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if part << shift >> shift != part || (byte == 0 && shift > 0) {
                return self.invalid("a canonical number of 64 bits", byte);
            }
            number |= part << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        self.invalid("a number of 64 bits", "a longer one")
    }

    pub(super) fn signed(&mut self) -> Result<i64, WireError> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// How many items follow; each takes at least one byte, so that more than there are bytes is an error.
    pub(super) fn count(&mut self) -> Result<usize, WireError> {
        let at = self.at;
        let number = self.number()?;
        match usize::try_from(number) {
            Ok(count) if count <= self.remaining() => Ok(count),
            _ => Err(WireError::Truncated { at }),
        }
    }

    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        let count = self.count()?;
        (0..count).map(|_| item(self)).collect()
    }

    pub(super) fn text(&mut self) -> Result<&'a str, WireError> {
        let length = self.count()?;
        let at = self.at;
        std::str::from_utf8(self.take(length)?).map_err(|error| WireError::Invalid {
            at,
            expected: "text in UTF-8".into(),
            got: error.to_string(),
        })
    }
}
