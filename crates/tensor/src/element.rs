//! Rust types that can be the elements of a tensor.

use half::{bf16, f16};

use crate::DataType;

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that has a [`DataType`] and whose memory is exactly one stored element.
///
/// # Safety
///
/// Implementors have no padding, size `DTYPE.bits() / 8`, alignment `DTYPE.align()`, and every byte pattern that a
/// tensor of that dtype can hold is a value of the type: all patterns, except that `bool` holds only 0 and 1.
pub unsafe trait Element:
    Copy + Send + Sync + PartialEq + Default + std::fmt::Debug + sealed::Sealed + 'static
{
    /// The tensor data type that this Rust type stores.
    const DTYPE: DataType;
}

macro_rules! elements {
    ($($rust:ty => $dtype:ident),* $(,)?) => {$(
        impl sealed::Sealed for $rust {}
        // SAFETY: a primitive, a transparent wrapper of one or an array of two: no padding; size and alignment are
        // asserted below; tensors keep `bool` bytes at 0 or 1.
        unsafe impl Element for $rust {
            const DTYPE: DataType = DataType::$dtype;
        }
        const _: () = assert!(size_of::<$rust>() * 8 == DataType::$dtype.bits());
        const _: () = assert!(align_of::<$rust>() == DataType::$dtype.align());
    )*};
}

elements! {
    f64 => F64, f32 => F32, f16 => F16, bf16 => BF16,
    i64 => I64, i32 => I32, i16 => I16, i8 => I8,
    u64 => U64, u32 => U32, u16 => U16, u8 => U8,
    bool => Bool,
    [f32; 2] => C64, [f64; 2] => C128,
}

/// The raw bytes of a slice of elements.
pub(crate) fn as_bytes<T: Element>(data: &[T]) -> &[u8] {
    // SAFETY: elements have no padding, so every byte is initialised; the length is that of the same allocation.
    unsafe { std::slice::from_raw_parts(data.as_ptr().cast(), size_of_val(data)) }
}

/// The raw bytes of a slice of elements, to be written.
///
/// # Safety
///
/// Whatever is written must leave values of `T`; only `bool` restricts this.
pub(crate) unsafe fn as_bytes_mut<T: Element>(data: &mut [T]) -> &mut [u8] {
    // SAFETY: as in `as_bytes`, and the borrow is exclusive; validity of what is written is the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(data.as_mut_ptr().cast(), size_of_val(data)) }
}

/// The bytes as elements when they are aligned and a whole number of them.
///
/// # Safety
///
/// Every element-sized group of bytes must be a value of `T`; only `bool` restricts this.
pub(crate) unsafe fn from_bytes<T: Element>(bytes: &[u8]) -> Option<&[T]> {
    if !bytes.len().is_multiple_of(size_of::<T>()) || !bytes.as_ptr().cast::<T>().is_aligned() {
        return None;
    }
    // SAFETY: aligned and whole as checked; values are valid by the caller's promise.
    Some(unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / size_of::<T>()) })
}

/// Copies the bytes into a fresh, aligned vector; a trailing part of an element is dropped.
///
/// # Safety
///
/// As for [`from_bytes`].
pub(crate) unsafe fn copy_from_bytes<T: Element>(bytes: &[u8]) -> Vec<T> {
    let count = bytes.len() / size_of::<T>();
    let mut out: Vec<T> = Vec::with_capacity(count);
    // SAFETY: the vector has room for `count` elements, the source holds at least as many bytes, fresh memory cannot
    // overlap; after the copy all `count` elements are initialised with valid values by the caller's promise.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), out.as_mut_ptr().cast::<u8>(), count * size_of::<T>());
        out.set_len(count);
    }
    out
}
