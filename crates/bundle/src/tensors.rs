//! The tensors of a bundle: a directory (dtype, shape, place of each), small contents behind it, large ones apart.
//!
//! Whoever opens a bundle reads the directory segment as a whole; tensors whose content lies in the weights segment are
//! slices of it that nobody has touched yet. So whatever is looked at or converted while opening lies behind the
//! directory: text, truth values (which are checked), and everything below [`LEAST_APART`] bytes.
//!
//! Contents lie in the order of the tensors, each at the next multiple of 64 bytes behind the one before: there are no
//! overlaps, no gaps and nothing behind the last.

use std::io::{self, Write};

use lehr_tensor::{Bytes, DataType, Tensor, checked_len};

use crate::bundle::slice;
use crate::error::BundleError;
use crate::fields::Fields;
use crate::kind::Kind;

/// Smaller contents lie behind the directory.
pub const LEAST_APART: usize = 1024;

const ALIGNMENT: u64 = 64;
/// Bytes before the first entry.
const HEAD: u64 = 8;
/// Bytes of an entry before its sizes.
const FIXED: u64 = 32;
/// The content lies behind the directory.
const INLINE: u32 = 1;

/// Which tensors go where.
pub struct Layout<'a> {
    tensors: &'a [Tensor],
}

impl<'a> Layout<'a> {
    /// Tensors by index.
    pub fn new(tensors: &'a [Tensor]) -> Self {
        Self { tensors }
    }

    /// The directory segment ([`Kind::TENSORS`]).
    ///
    /// # Errors
    /// [`BundleError::Invalid`] for more tensors than 32 bits count.
    pub fn directory(&self) -> Result<Vec<u8>, BundleError> {
        let count = u32::try_from(self.tensors.len())
            .map_err(|_| BundleError::invalid("tensors", "less than 2^32", self.tensors.len()))?;
        let mut out = count.to_le_bytes().to_vec();
        out.extend(0u32.to_le_bytes());
        let entries = self.tensors.iter().map(|t| FIXED + 8 * t.rank() as u64);
        let (mut inline, mut apart) = (HEAD + entries.sum::<u64>(), 0u64);
        for tensor in self.tensors {
            let at = if is_inline(tensor) { &mut inline } else { &mut apart };
            let (offset, length) = (at.next_multiple_of(ALIGNMENT), stored_length(tensor));
            *at = offset + length;
            out.extend(tensor.dtype().to_onnx().cast_unsigned().to_le_bytes());
            out.extend((if is_inline(tensor) { INLINE } else { 0 }).to_le_bytes());
            out.extend(offset.to_le_bytes());
            out.extend(length.to_le_bytes());
            out.extend((tensor.rank() as u64).to_le_bytes());
            tensor.shape().iter().for_each(|&size| out.extend((size as u64).to_le_bytes()));
        }
        for tensor in self.tensors.iter().filter(|t| is_inline(t)) {
            out.resize(out.len().next_multiple_of(ALIGNMENT as usize), 0);
            write_content(tensor, &mut out)?;
        }
        Ok(out)
    }

    /// Whether there is anything to write into a weights segment.
    pub fn has_weights(&self) -> bool {
        self.tensors.iter().any(|tensor| !is_inline(tensor))
    }

    /// Writes the weights segment ([`Kind::WEIGHTS`]).
    ///
    /// # Errors
    /// When `out` can not be written to.
    pub fn write_weights(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut at = 0u64;
        for tensor in self.tensors.iter().filter(|t| !is_inline(t)) {
            let offset = at.next_multiple_of(ALIGNMENT);
            let zeros = [0; ALIGNMENT as usize];
            out.write_all(zeros.get(..(offset - at) as usize).unwrap_or(&zeros))?;
            write_content(tensor, out)?;
            at = offset + stored_length(tensor);
        }
        Ok(())
    }
}

fn is_inline(tensor: &Tensor) -> bool {
    matches!(tensor.dtype(), DataType::String | DataType::Bool) || tensor.byte_len() < LEAST_APART
}

/// Texts are stored as the length of each in eight bytes, then all bytes.
fn stored_length(tensor: &Tensor) -> u64 {
    let lengths = if tensor.dtype() == DataType::String { 8 * tensor.len() } else { 0 };
    (lengths + tensor.byte_len()) as u64
}

fn write_content(tensor: &Tensor, out: &mut dyn Write) -> io::Result<()> {
    let Ok(texts) = tensor.strings() else { return out.write_all(tensor.bytes()) };
    texts.iter().try_for_each(|text| out.write_all(&(text.len() as u64).to_le_bytes()))?;
    texts.iter().try_for_each(|text| out.write_all(text.as_bytes()))
}

/// Reads all tensors; those that are neither text nor truth values share the memory of `directory` or `weights`.
///
/// # Errors
/// [`BundleError::Invalid`] with the first tensor that is wrong, [`BundleError::Missing`] when contents lie apart but
/// there is no weights segment.
pub fn read(directory: &Bytes, weights: Option<&Bytes>) -> Result<Vec<Tensor>, BundleError> {
    let short = || BundleError::invalid("tensors", "a directory", "one that ends too early");
    let mut fields = Fields(directory);
    let count = fields.u32().ok_or_else(short)?;
    if fields.u32().ok_or_else(short)? != 0 {
        return Err(BundleError::invalid("tensors", "zeros in reserved bytes", "others"));
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(Entry::read(&mut fields).ok_or_else(short)?);
    }
    let (mut inline, mut apart) = ((directory.len() - fields.0.len()) as u64, 0u64);
    let mut tensors = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let (data, at) = match (entry.flags, weights) {
            (INLINE, _) => (directory, &mut inline),
            (0, Some(weights)) => (weights, &mut apart),
            (0, None) => return Err(BundleError::Missing { kind: Kind::WEIGHTS }),
            (flags, _) => return Err(invalid(index, "flags 0 or 1", flags)),
        };
        tensors.push(entry.tensor(index, data, *at)?);
        *at = entry.offset.saturating_add(entry.length);
    }
    let ends =
        [(Kind::TENSORS, inline, directory.len()), (Kind::WEIGHTS, apart, weights.map_or(0, Bytes::len))];
    for (kind, end, got) in ends {
        if end != got as u64 {
            return Err(BundleError::invalid(format!("segment {kind}"), format!("{end} bytes"), got));
        }
    }
    Ok(tensors)
}

#[cold]
fn invalid(index: usize, expected: impl Into<String>, got: impl std::fmt::Display) -> BundleError {
    BundleError::invalid(format!("tensor {index}"), expected, got)
}

struct Entry {
    dtype: u32,
    flags: u32,
    offset: u64,
    length: u64,
    shape: Vec<u64>,
}

impl Entry {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let (dtype, flags) = (fields.u32()?, fields.u32()?);
        let (offset, length) = (fields.u64()?, fields.u64()?);
        let rank = usize::try_from(fields.u64()?).ok()?;
        let mut sizes = Fields(fields.take(rank.checked_mul(8)?)?);
        let shape = (0..rank).map(|_| sizes.u64()).collect::<Option<_>>()?;
        Some(Self { dtype, flags, offset, length, shape })
    }

    /// The tensor whose content lies in `data`, behind the one that ends at `end`.
    fn tensor(&self, index: usize, data: &Bytes, end: u64) -> Result<Tensor, BundleError> {
        let dtype = i32::try_from(self.dtype).ok().and_then(DataType::from_onnx);
        let dtype = dtype.ok_or_else(|| invalid(index, "an element type", self.dtype))?;
        let next = end.checked_next_multiple_of(ALIGNMENT);
        if next != Some(self.offset) {
            return Err(invalid(index, format!("offset {}", next.unwrap_or(end)), self.offset));
        }
        let content = slice(data, self.offset, self.length);
        let content =
            content.ok_or_else(|| invalid(index, format!("at most {} bytes", data.len()), self.length))?;
        let shape: Result<Vec<usize>, _> = self.shape.iter().map(|&size| usize::try_from(size)).collect();
        let too_large = || invalid(index, "a shape that memory can hold", format!("{:?}", self.shape));
        let shape = shape.map_err(|_| too_large())?;
        let count = checked_len(&shape).map_err(|_| too_large())?;
        if dtype == DataType::String {
            let texts = read_texts(&content, count);
            let texts = texts.ok_or_else(|| invalid(index, format!("{count} texts in UTF-8"), "others"))?;
            return Tensor::from_strings(&shape, texts).map_err(|error| invalid(index, "texts", error));
        }
        Tensor::from_bytes(dtype, &shape, content).map_err(|error| invalid(index, "its bytes", error))
    }
}

fn read_texts(content: &[u8], count: usize) -> Option<Vec<String>> {
    let mut texts = Fields(content);
    let mut lengths = Fields(texts.take(count.checked_mul(8)?)?);
    let mut out = Vec::with_capacity(count);
    for _ in 0..count {
        let bytes = texts.take(usize::try_from(lengths.u64()?).ok()?)?;
        out.push(std::str::from_utf8(bytes).ok()?.to_owned());
    }
    texts.is_empty().then_some(out)
}
