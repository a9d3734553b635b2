//! Memory behind tensors: vectors whose type was erased, shared or mapped bytes, text.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::fs::File;
use std::io;
use std::num::NonZero;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Element, TensorError};

/// A heap allocation that remembers the layout it must be freed with.
pub(crate) struct Allocation {
    ptr: NonNull<u8>,
    len: usize,
    layout: Layout,
}

// SAFETY: the allocation is uniquely owned plain data (elements are `Send + Sync`) and is never written while shared.
unsafe impl Send for Allocation {}
// SAFETY: as above; shared access is read-only.
unsafe impl Sync for Allocation {}

impl Allocation {
    pub(crate) fn from_vec<T: Element>(data: Vec<T>) -> Self {
        let mut data = std::mem::ManuallyDrop::new(data);
        let len = size_of_val(data.as_slice());
        // SAFETY: this is the layout that the vector allocated with; its size fits `isize` because it exists.
        let layout =
            unsafe { Layout::from_size_align_unchecked(data.capacity() * size_of::<T>(), align_of::<T>()) };
        // SAFETY: a vector's pointer is never null.
        let ptr = unsafe { NonNull::new_unchecked(data.as_mut_ptr().cast::<u8>()) };
        Allocation { ptr, len, layout }
    }

    /// `len` zero bytes; the pages are only touched when they are used.
    pub(crate) fn zeroed(len: usize, align: usize) -> Result<Self, TensorError> {
        let layout =
            Layout::from_size_align(len, align).map_err(|_| TensorError::OutOfMemory { bytes: len })?;
        if len == 0 {
            let align = NonZero::new(layout.align()).unwrap_or(NonZero::<usize>::MIN);
            return Ok(Allocation { ptr: NonNull::without_provenance(align), len, layout });
        }
        // SAFETY: the size is not zero.
        let ptr = unsafe { alloc_zeroed(layout) };
        let ptr = NonNull::new(ptr).ok_or(TensorError::OutOfMemory { bytes: len })?;
        Ok(Allocation { ptr, len, layout })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes from `ptr` are initialised (a vector's elements without padding, or zeroed) and live as
        // long as `self`; dangling only when `len` is 0.
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }

    /// Gives the allocation back as a vector when a vector of `T` could have made it.
    ///
    /// # Safety
    ///
    /// Every element-sized group of bytes must be a value of `T`.
    pub(crate) unsafe fn into_vec<T: Element>(self) -> Result<Vec<T>, Self> {
        let size = size_of::<T>();
        let whole = self.len.is_multiple_of(size) && self.layout.size().is_multiple_of(size);
        if !whole || self.layout.align() != align_of::<T>() {
            return Err(self);
        }
        let this = std::mem::ManuallyDrop::new(self);
        // SAFETY: pointer, alignment and capacity are those of the allocation as just checked, the global allocator
        // made it, `len` elements are initialised and valid by the caller's promise; `ManuallyDrop` prevents a second
        // free. For an empty allocation the capacity is 0 and the pointer dangling but aligned.
        Ok(unsafe {
            Vec::from_raw_parts(this.ptr.as_ptr().cast::<T>(), this.len / size, this.layout.size() / size)
        })
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        if self.layout.size() > 0 {
            // SAFETY: allocated by the global allocator with exactly this layout and not freed before.
            unsafe { dealloc(self.ptr.as_ptr(), self.layout) }
        }
    }
}

/// An owner that lets [`Bytes`] share an allocation.
struct Shared(Arc<Allocation>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Where a tensor's content lives.
#[derive(Clone)]
pub(crate) enum Storage {
    Owned(Arc<Allocation>),
    Shared(Bytes),
    Strings(Arc<Vec<String>>),
}

impl Storage {
    pub(crate) fn from_vec<T: Element>(data: Vec<T>) -> Self {
        Storage::Owned(Arc::new(Allocation::from_vec(data)))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Storage::Owned(allocation) => allocation.as_bytes(),
            Storage::Shared(bytes) => bytes,
            Storage::Strings(_) => &[],
        }
    }

    pub(crate) fn to_shared(&self) -> Bytes {
        match self {
            Storage::Owned(allocation) => Bytes::from_owner(Shared(Arc::clone(allocation))),
            Storage::Shared(bytes) => bytes.clone(),
            Storage::Strings(_) => Bytes::new(),
        }
    }
}

/// Maps a whole file read-only; slices of the result keep the mapping alive.
///
/// The file must not be truncated or rewritten while it is mapped: reading a page that is gone raises `SIGBUS` and ends
/// the process, and changed bytes show through. Use it for files that are replaced by renaming, as model files
/// are, and read the file into memory where that cannot be promised. An empty file gives empty bytes.
pub fn map_file(path: impl AsRef<Path>) -> io::Result<Bytes> {
    let file = File::open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the mapping is read-only and private to readers of plain bytes; that the file is not changed meanwhile is
    // the documented duty of the caller, and no type with invalid byte patterns borrows from shared bytes.
    let map = unsafe { memmap2::Mmap::map(&file)? };
    Ok(Bytes::from_owner(map))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_come_back_with_their_allocation() {
        let mut data = Vec::with_capacity(10);
        data.extend([1.0f32, 2.0]);
        let at = data.as_ptr();
        let allocation = Allocation::from_vec(data);
        // SAFETY: any bytes are `i32` values.
        let back: Vec<i32> = unsafe { allocation.into_vec() }.ok().unwrap();
        assert_eq!(back.as_ptr().cast::<f32>(), at);
        assert_eq!((back.len(), back.capacity()), (2, 10));
        // SAFETY: any bytes are `f64` values.
        assert!(unsafe { Allocation::from_vec(vec![0u8; 16]).into_vec::<f64>() }.is_err());
        // SAFETY: any bytes are `u64` values.
        assert!(unsafe { Allocation::zeroed(0, 8).unwrap().into_vec::<u64>() }.is_ok_and(|v| v.is_empty()));
    }

    #[test]
    fn impossible_allocations_are_errors() {
        assert!(matches!(Allocation::zeroed(isize::MAX as usize, 8), Err(TensorError::OutOfMemory { .. })));
    }

    #[test]
    fn shared_bytes_outlive_the_storage() {
        let storage = Storage::from_vec(vec![1u16, 2, 3]);
        let bytes = storage.to_shared();
        drop(storage);
        assert_eq!(&bytes[..], [1, 0, 2, 0, 3, 0]);
    }

    #[test]
    fn maps_files() {
        let path = std::env::temp_dir().join(format!("lehr-tensor-map-{}", std::process::id()));
        std::fs::write(&path, b"hello").unwrap();
        let bytes = map_file(&path).unwrap();
        std::fs::write(path.with_extension("empty"), b"").unwrap();
        let empty = map_file(path.with_extension("empty")).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::remove_file(path.with_extension("empty")).unwrap();
        assert_eq!((&bytes[..], empty.len()), (&b"hello"[..], 0));
        assert!(map_file(&path).is_err());
    }
}
