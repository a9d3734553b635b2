//! The immutable tensor.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::storage::{Allocation, Storage};
use crate::view::checked_len;
use crate::{DataType, Element, TensorError, element, packed};

/// An immutable, contiguous, row-major tensor. Cloning is cheap: clones share storage.
///
/// Equality is dtype, shape and *bits*: NaN equals the same NaN, `0.0` differs from `-0.0`.
#[derive(Clone)]
pub struct Tensor {
    dtype: DataType,
    shape: SmallVec<[usize; 6]>,
    len: usize,
    storage: Storage,
}

impl Tensor {
    /// Makes a tensor of a vector in row-major order, taking its allocation without a copy.
    ///
    /// Fails when the length is not the product of `shape`.
    pub fn from_vec<T: Element>(shape: &[usize], data: Vec<T>) -> Result<Tensor, TensorError> {
        check_count(shape, data.len())?;
        Ok(Tensor::assemble(T::DTYPE, shape, data.len(), Storage::from_vec(data)))
    }

    /// Makes a tensor of a copy of `data`; see [`Tensor::from_vec`].
    pub fn from_slice<T: Element>(shape: &[usize], data: &[T]) -> Result<Tensor, TensorError> {
        check_count(shape, data.len())?;
        Tensor::from_vec(shape, data.to_vec())
    }

    /// A tensor of rank 0.
    pub fn scalar<T: Element>(value: T) -> Tensor {
        Tensor::assemble(T::DTYPE, &[], 1, Storage::from_vec(vec![value]))
    }

    /// A tensor of rank 1.
    pub fn vector<T: Element>(data: Vec<T>) -> Tensor {
        let len = data.len();
        Tensor::assemble(T::DTYPE, &[len], len, Storage::from_vec(data))
    }

    /// Makes a string tensor, row-major. Fails when the length is not the product of `shape`.
    pub fn from_strings(shape: &[usize], data: Vec<String>) -> Result<Tensor, TensorError> {
        check_count(shape, data.len())?;
        Ok(Tensor::assemble(DataType::String, shape, data.len(), Storage::Strings(Arc::new(data))))
    }

    /// All zero bits (zero, false, empty text; for `f8e8m0`, which has no zero, 2⁻¹²⁷).
    ///
    /// Fails when the size overflows or the allocator refuses.
    pub fn zeros(dtype: DataType, shape: &[usize]) -> Result<Tensor, TensorError> {
        let len = checked_len(shape)?;
        if dtype == DataType::String {
            let mut data = Vec::new();
            let bytes = len.saturating_mul(size_of::<String>());
            data.try_reserve_exact(len).map_err(|_| TensorError::OutOfMemory { bytes })?;
            data.resize(len, String::new());
            return Tensor::from_strings(shape, data);
        }
        let bytes = checked_bytes(dtype, shape, len)?;
        let allocation = Allocation::zeroed(bytes, dtype.align())?;
        Ok(Tensor::assemble(dtype, shape, len, Storage::Owned(Arc::new(allocation))))
    }

    /// Wraps packed little-endian data of any alignment without a copy.
    ///
    /// The length must be exact. Copies are made only for `bool`, whose bytes other than 0 become 1, and where unused
    /// bits of the last byte of a packed type are set. Strings are refused.
    pub fn from_bytes(dtype: DataType, shape: &[usize], data: Bytes) -> Result<Tensor, TensorError> {
        if dtype == DataType::String {
            return Err(TensorError::StringBytes);
        }
        let len = checked_len(shape)?;
        let expected = checked_bytes(dtype, shape, len)?;
        if data.len() != expected {
            return Err(TensorError::ByteLengthMismatch {
                dtype,
                shape: shape.to_vec(),
                expected,
                got: data.len(),
            });
        }
        // A mapped file can change under us, so even bytes that are all 0 or 1 now are copied before they are `bool`.
        if dtype == DataType::Bool {
            let flags: Vec<bool> = data.iter().map(|byte| *byte != 0).collect();
            return Ok(Tensor::assemble(dtype, shape, len, Storage::from_vec(flags)));
        }
        let storage = match packed::dirty_tail(&data, dtype.bits(), len) {
            false => Storage::Shared(data),
            true => {
                let mut clean = data.to_vec();
                packed::clear_tail(&mut clean, dtype.bits(), len);
                Storage::from_vec(clean)
            }
        };
        Ok(Tensor::assemble(dtype, shape, len, storage))
    }

    /// Makes a tensor of a type of at most 8 bits from one code per byte; bits above the width are dropped.
    ///
    /// `bool` codes other than 0 become 1. Fails for wider types and when the length does not fit.
    pub fn from_codes(dtype: DataType, shape: &[usize], codes: &[u8]) -> Result<Tensor, TensorError> {
        check_count(shape, codes.len())?;
        match dtype.bits() {
            bits @ 1..=7 => {
                Tensor::from_bytes(dtype, shape, Bytes::from(packed::pack(bits, codes.iter().copied())))
            }
            8 => Tensor::from_bytes(dtype, shape, Bytes::copy_from_slice(codes)),
            _ => Err(TensorError::Lacks { dtype, what: "codes of one byte" }),
        }
    }

    /// One code per byte, zero-extended, of a type of at most 8 bits. Fails for wider types.
    pub fn codes(&self) -> Result<Cow<'_, [u8]>, TensorError> {
        match self.dtype.bits() {
            bits @ 1..=7 => Ok(Cow::Owned(packed::unpack(bits, self.bytes(), self.len))),
            8 => Ok(Cow::Borrowed(self.bytes())),
            _ => Err(TensorError::Lacks { dtype: self.dtype, what: "codes of one byte" }),
        }
    }

    fn assemble(dtype: DataType, shape: &[usize], len: usize, storage: Storage) -> Tensor {
        Tensor { dtype, shape: SmallVec::from_slice(shape), len, storage }
    }

    /// Element type.
    pub fn dtype(&self) -> DataType {
        self.dtype
    }

    /// Sizes of the axes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether an axis has size 0.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of the packed content; for strings, the bytes of all texts together.
    pub fn byte_len(&self) -> usize {
        match &self.storage {
            Storage::Strings(data) => data.iter().map(String::len).sum(),
            storage => storage.bytes().len(),
        }
    }

    /// Packed little-endian content. Strings have no byte form: they give an empty slice; see [`Tensor::strings`].
    pub fn bytes(&self) -> &[u8] {
        self.storage.bytes()
    }

    /// As [`Tensor::bytes`], sharing the storage beyond the life of this tensor.
    pub fn to_shared_bytes(&self) -> Bytes {
        self.storage.to_shared()
    }

    /// The texts of a string tensor, row-major. Fails for other types.
    pub fn strings(&self) -> Result<&[String], TensorError> {
        match &self.storage {
            Storage::Strings(data) => Ok(data),
            _ => Err(self.mismatch(DataType::String)),
        }
    }

    /// Elements in row-major order: borrowed when the storage is aligned for `T`, copied otherwise.
    ///
    /// Fails when the tensor has another type.
    pub fn as_slice<T: Element>(&self) -> Result<Cow<'_, [T]>, TensorError> {
        self.expect_dtype(T::DTYPE)?;
        let bytes = self.bytes();
        // SAFETY: the dtype is that of `T`; for `bool`, construction only ever stores owned bytes of 0 or 1.
        match unsafe { element::from_bytes(bytes) } {
            Some(slice) => Ok(Cow::Borrowed(slice)),
            // SAFETY: as above.
            None => Ok(Cow::Owned(unsafe { element::copy_from_bytes(bytes) })),
        }
    }

    /// Elements in row-major order, reusing the allocation when no clone shares it.
    ///
    /// Fails when the tensor has another type.
    pub fn into_vec<T: Element>(self) -> Result<Vec<T>, TensorError> {
        self.expect_dtype(T::DTYPE)?;
        self.try_into_vec().or_else(|shared| Ok(shared.as_slice::<T>()?.into_owned()))
    }

    /// The allocation behind the tensor as a vector, when it is of that type, owned, and no clone shares it; the
    /// tensor itself otherwise. Never copies.
    pub fn try_into_vec<T: Element>(self) -> Result<Vec<T>, Tensor> {
        if self.dtype != T::DTYPE {
            return Err(self);
        }
        let Tensor { dtype, shape, len, storage } = self;
        let storage = match storage {
            Storage::Owned(shared) => match Arc::try_unwrap(shared) {
                // SAFETY: the dtype is that of `T`; for `bool`, only 0 and 1 are ever stored.
                Ok(allocation) => match unsafe { allocation.into_vec() } {
                    Ok(data) => return Ok(data),
                    Err(allocation) => Storage::Owned(Arc::new(allocation)),
                },
                Err(shared) => Storage::Owned(shared),
            },
            storage => storage,
        };
        Err(Tensor { dtype, shape, len, storage })
    }

    /// The same elements under another shape; shares storage. Fails when the number of elements differs.
    pub fn reshape(&self, shape: &[usize]) -> Result<Tensor, TensorError> {
        if checked_len(shape)? != self.len {
            return Err(TensorError::Reshape {
                from: self.shape.to_vec(),
                to: shape.to_vec(),
                reason: "the number of elements differs",
            });
        }
        Ok(Tensor::assemble(self.dtype, shape, self.len, self.storage.clone()))
    }

    /// The same bits under another type of the same width; shares storage (except for `bool`, see
    /// [`Tensor::from_bytes`]).
    ///
    /// Fails when the widths differ and for strings.
    pub fn with_dtype_bits(&self, dtype: DataType) -> Result<Tensor, TensorError> {
        if dtype == self.dtype {
            return Ok(self.clone());
        }
        if dtype.bits() != self.dtype.bits() {
            return Err(TensorError::BitCast { from: self.dtype, to: dtype });
        }
        if dtype == DataType::Bool {
            return Tensor::from_bytes(dtype, &self.shape, self.to_shared_bytes());
        }
        Ok(Tensor::assemble(dtype, &self.shape, self.len, self.storage.clone()))
    }

    /// The only element of a tensor of one element, of any rank.
    ///
    /// Fails when the type differs or there is not exactly one element.
    pub fn item<T: Element>(&self) -> Result<T, TensorError> {
        match *self.as_slice::<T>()? {
            [value] => Ok(value),
            _ => Err(TensorError::LengthMismatch { shape: Vec::new(), expected: 1, got: self.len }),
        }
    }

    /// A hash of dtype, shape and bits: equal tensors hash equal, on every machine and in every version of a file.
    pub fn content_hash(&self) -> u64 {
        let mut hash = Hash64::new();
        hash.word(self.dtype.to_onnx() as u64);
        hash.word(self.shape.len() as u64);
        self.shape.iter().for_each(|size| hash.word(*size as u64));
        match &self.storage {
            Storage::Strings(data) => data.iter().for_each(|text| hash.bytes(text.as_bytes())),
            storage => hash.bytes(storage.bytes()),
        }
        hash.finish()
    }

    /// Whether both tensors share the same memory, without looking at the content.
    pub fn shares_storage(&self, other: &Tensor) -> bool {
        match (&self.storage, &other.storage) {
            (Storage::Strings(a), Storage::Strings(b)) => Arc::ptr_eq(a, b),
            (a, b) => std::ptr::eq(a.bytes(), b.bytes()),
        }
    }

    fn expect_dtype(&self, expected: DataType) -> Result<(), TensorError> {
        if self.dtype == expected { Ok(()) } else { Err(self.mismatch(expected)) }
    }

    fn mismatch(&self, expected: DataType) -> TensorError {
        TensorError::DtypeMismatch { expected, got: self.dtype }
    }
}

fn check_count(shape: &[usize], got: usize) -> Result<(), TensorError> {
    let expected = checked_len(shape)?;
    if expected == got {
        return Ok(());
    }
    Err(TensorError::LengthMismatch { shape: shape.to_vec(), expected, got })
}

fn checked_bytes(dtype: DataType, shape: &[usize], len: usize) -> Result<usize, TensorError> {
    dtype.byte_len(len).ok_or_else(|| TensorError::ShapeOverflow { shape: shape.to_vec() })
}

/// A multiply-and-fold hash over 64-bit words; not for adversaries, fast enough to run over weights.
struct Hash64(u64);

impl Hash64 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

    fn new() -> Self {
        Hash64(0xcbf2_9ce4_8422_2325)
    }

    fn word(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word.rotate_left(23)) * u128::from(Self::MULTIPLIER);
        // The word is added again so that a state equal to the word does not erase it.
        self.0 = ((product as u64) ^ ((product >> 64) as u64)).wrapping_add(word);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let (words, tail) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.word(u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
        self.word(u64::from_le_bytes(last));
    }

    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(Self::MULTIPLIER);
        mixed ^ (mixed >> 29)
    }
}

impl PartialEq for Tensor {
    fn eq(&self, other: &Tensor) -> bool {
        if self.dtype != other.dtype || self.shape != other.shape {
            return false;
        }
        match (&self.storage, &other.storage) {
            (Storage::Strings(a), Storage::Strings(b)) => Arc::ptr_eq(a, b) || a == b,
            (a, b) => self.shares_storage(other) || a.bytes() == b.bytes(),
        }
    }
}

impl Eq for Tensor {}

impl fmt::Debug for Tensor {
    /// `f32[2,3] [0.0, 1.0, …]`, cut short after a few elements.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        let sizes: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        write!(f, "{}[{}] [", self.dtype, sizes.join(","))?;
        for (index, text) in self.head(SHOWN).iter().enumerate() {
            write!(f, "{}{text}", if index > 0 { ", " } else { "" })?;
        }
        f.write_str(if self.len > SHOWN { ", …]" } else { "]" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_travel_without_copies() {
        let data = vec![1.0f32, 2.0, 3.0];
        let at = data.as_ptr();
        let tensor = Tensor::from_vec(&[3, 1], data).unwrap();
        assert!(matches!(tensor.as_slice::<f32>().unwrap(), Cow::Borrowed(s) if s.as_ptr() == at));
        let clone = tensor.clone();
        assert!(clone.shares_storage(&tensor));
        let (copied, reused) = (tensor.into_vec::<f32>().unwrap(), clone.into_vec::<f32>().unwrap());
        assert_ne!(copied.as_ptr(), at);
        assert_eq!(reused.as_ptr(), at);
        assert_eq!(copied, reused);
    }

    #[test]
    fn wrong_counts_and_types_are_errors_with_payload() {
        assert!(matches!(
            Tensor::from_vec(&[2, 2], vec![1u8]),
            Err(TensorError::LengthMismatch { expected: 4, got: 1, .. })
        ));
        assert!(matches!(
            Tensor::from_vec::<u8>(&[usize::MAX, 2], vec![]),
            Err(TensorError::ShapeOverflow { .. })
        ));
        assert!(Tensor::from_vec::<u8>(&[usize::MAX, 0], vec![]).is_ok());
        let tensor = Tensor::scalar(1i32);
        assert!(matches!(
            tensor.as_slice::<f32>(),
            Err(TensorError::DtypeMismatch { expected: DataType::F32, got: DataType::I32 })
        ));
        assert!(tensor.strings().is_err());
        assert!(Tensor::zeros(DataType::F64, &[usize::MAX / 4]).is_err());
        assert!(Tensor::vector(vec![1u8, 2]).item::<u8>().is_err());
        assert_eq!(Tensor::from_vec(&[1, 1], vec![7u8]).unwrap().item::<u8>().unwrap(), 7);
    }

    #[test]
    fn bytes_at_any_alignment() {
        let raw = Bytes::from((0..17u8).collect::<Vec<_>>());
        for start in 0..5 {
            let part = raw.slice(start..start + 12);
            let tensor = Tensor::from_bytes(DataType::F32, &[3], part.clone()).unwrap();
            assert_eq!(tensor.bytes().as_ptr(), part.as_ptr());
            let want: Vec<f32> = part.chunks(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect();
            assert_eq!(tensor.as_slice::<f32>().unwrap().as_ref(), want);
            assert_eq!(tensor.into_vec::<f32>().unwrap(), want);
        }
        assert!(matches!(
            Tensor::from_bytes(DataType::F32, &[3], raw.slice(..11)),
            Err(TensorError::ByteLengthMismatch { expected: 12, got: 11, .. })
        ));
        assert!(matches!(
            Tensor::from_bytes(DataType::String, &[0], Bytes::new()),
            Err(TensorError::StringBytes)
        ));
    }

    #[test]
    fn foreign_bool_bytes_become_true() {
        let tensor = Tensor::from_bytes(DataType::Bool, &[4], Bytes::from_static(&[0, 1, 2, 255])).unwrap();
        assert_eq!(tensor.as_slice::<bool>().unwrap().as_ref(), [false, true, true, true]);
        assert_eq!(tensor.bytes(), [0, 1, 1, 1]);
        let cast = Tensor::vector(vec![0u8, 9]).with_dtype_bits(DataType::Bool).unwrap();
        assert_eq!(cast.into_vec::<bool>().unwrap(), [false, true]);
    }

    #[test]
    fn unused_bits_do_not_count() {
        let a = Tensor::from_bytes(DataType::I4, &[3], Bytes::from_static(&[0x21, 0xf3])).unwrap();
        let b = Tensor::from_bytes(DataType::I4, &[3], Bytes::from_static(&[0x21, 0x03])).unwrap();
        assert_eq!(a, b);
        assert_eq!(a.content_hash(), b.content_hash());
        assert_eq!(a.codes().unwrap().as_ref(), [1, 2, 3]);
        assert_eq!(Tensor::from_codes(DataType::I4, &[3], &[0xf1, 2, 3]).unwrap(), a);
        assert!(Tensor::scalar(0u16).codes().is_err());
    }

    #[test]
    fn equality_is_bitwise() {
        let nan = Tensor::scalar(f32::NAN);
        assert_eq!(nan, Tensor::scalar(f32::NAN));
        assert_ne!(Tensor::scalar(0.0f32), Tensor::scalar(-0.0f32));
        assert_ne!(Tensor::scalar(0u8), Tensor::scalar(0i8));
        assert_ne!(Tensor::scalar(0u8), Tensor::vector(vec![0u8]));
        let text = |s: &str| Tensor::from_strings(&[1], vec![s.into()]).unwrap();
        assert_eq!(text("a"), text("a"));
        assert_ne!(text("a"), text("b"));
    }

    #[test]
    fn hashes_are_fixed_and_tell_apart() {
        let mut seen = std::collections::HashSet::new();
        for dtype in DataType::ALL {
            for shape in [&[][..], &[0], &[1], &[2, 3], &[3, 2]] {
                assert!(
                    seen.insert(Tensor::zeros(dtype, shape).unwrap().content_hash()),
                    "{dtype} {shape:?}"
                );
            }
        }
        let split =
            |v: &[&str]| Tensor::from_strings(&[2], v.iter().map(|s| s.to_string()).collect()).unwrap();
        assert_ne!(split(&["ab", "c"]).content_hash(), split(&["a", "bc"]).content_hash());
        assert_eq!(Tensor::vector(vec![1u8, 2, 3]).content_hash(), PINNED);
    }

    /// Stored in text forms, so it may never change.
    const PINNED: u64 = 8_417_052_295_238_519_463;

    #[test]
    fn reshape_and_bit_casts_share() {
        let tensor = Tensor::vector(vec![1.0f32, -1.0]);
        let shaped = tensor.reshape(&[1, 2]).unwrap();
        assert!(shaped.shares_storage(&tensor));
        assert!(tensor.reshape(&[3]).is_err());
        let bits = shaped.with_dtype_bits(DataType::U32).unwrap();
        assert_eq!(bits.as_slice::<u32>().unwrap().as_ref(), [0x3f80_0000, 0xbf80_0000]);
        assert!(tensor.with_dtype_bits(DataType::F64).is_err());
        assert!(Tensor::zeros(DataType::String, &[1]).unwrap().with_dtype_bits(DataType::U8).is_err());
    }

    #[test]
    fn debug_is_short() {
        assert_eq!(format!("{:?}", Tensor::vector(vec![1.0f32, 2.5])), "f32[2] [1, 2.5]");
        let long = format!("{:?}", Tensor::zeros(DataType::I4, &[2, 50]).unwrap());
        assert_eq!(long, "i4[2,50] [0, 0, 0, 0, 0, 0, 0, 0, …]");
    }
}
