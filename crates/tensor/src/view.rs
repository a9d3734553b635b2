//! Strided views over slices and the arithmetic of shapes.

use smallvec::SmallVec;

use crate::TensorError;

type Sizes = SmallVec<[usize; 6]>;
type Strides = SmallVec<[isize; 6]>;

/// Number of elements of a shape. Fails when the product overflows; a size of 0 anywhere gives 0.
pub fn checked_len(shape: &[usize]) -> Result<usize, TensorError> {
    if shape.contains(&0) {
        return Ok(0);
    }
    shape
        .iter()
        .try_fold(1usize, |product, size| product.checked_mul(*size))
        .ok_or_else(|| TensorError::ShapeOverflow { shape: shape.to_vec() })
}

/// Steps in elements from one index to the next along each axis of a contiguous row-major tensor.
///
/// Products that overflow saturate; they belong to shapes that [`checked_len`] refuses or that are empty.
pub fn row_major_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    let mut step = 1usize;
    for (stride, size) in strides.iter_mut().zip(shape).rev() {
        *stride = step;
        step = step.saturating_mul(*size);
    }
    strides
}

/// The common shape of several under ONNX's multidirectional (numpy's) broadcasting.
///
/// Shapes are aligned at the last axis; sizes must agree or be 1. No shape at all gives the scalar shape.
pub fn broadcast_shapes(shapes: &[&[usize]]) -> Result<Vec<usize>, TensorError> {
    let mut out: Vec<usize> = Vec::new();
    for shape in shapes {
        if shape.len() > out.len() {
            out.splice(0..0, std::iter::repeat_n(1, shape.len() - out.len()));
        }
        let mut agreed = true;
        for (have, size) in out.iter_mut().rev().zip(shape.iter().rev()) {
            match (*have, *size) {
                (a, b) if a == b => {}
                (1, b) => *have = b,
                (_, 1) => {}
                _ => agreed = false,
            }
        }
        if !agreed {
            return Err(TensorError::Broadcast { left: out, right: shape.to_vec() });
        }
    }
    Ok(out)
}

/// A read-only strided view of a slice.
///
/// Every index inside `shape` is proven at construction to land inside the data, so iteration needs no further proof.
#[derive(Debug)]
pub struct View<'a, T> {
    data: &'a [T],
    shape: Sizes,
    strides: Strides,
    offset: usize,
    len: usize,
}

impl<T> Clone for View<'_, T> {
    fn clone(&self) -> Self {
        View {
            data: self.data,
            shape: self.shape.clone(),
            strides: self.strides.clone(),
            offset: self.offset,
            len: self.len,
        }
    }
}

impl<'a, T> View<'a, T> {
    /// The whole of a contiguous row-major slice. Fails when the length does not fit the shape.
    pub fn new(data: &'a [T], shape: &[usize]) -> Result<Self, TensorError> {
        let len = checked_len(shape)?;
        if len != data.len() {
            return Err(TensorError::LengthMismatch {
                shape: shape.to_vec(),
                expected: len,
                got: data.len(),
            });
        }
        Ok(View { data, shape: shape.into(), strides: contiguous(shape), offset: 0, len })
    }

    /// A view with explicit strides and offset of the first element, all in elements; strides may be negative or 0.
    ///
    /// Fails when an index of the shape would leave the data.
    pub fn with_strides(
        data: &'a [T],
        shape: &[usize],
        strides: &[isize],
        offset: usize,
    ) -> Result<Self, TensorError> {
        if shape.len() != strides.len() {
            return Err(TensorError::ViewBounds { reason: "shape and strides differ in rank" });
        }
        let len = checked_len(shape)?;
        if len > 0 {
            check_bounds(data.len(), shape, strides, offset)?;
        }
        Ok(View { data, shape: shape.into(), strides: strides.into(), offset, len })
    }

    /// Sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Steps in elements along the axes.
    pub fn strides(&self) -> &[isize] {
        &self.strides
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

    /// The element at a full index; `None` when the rank differs or an index is outside.
    pub fn get(&self, index: &[usize]) -> Option<&'a T> {
        if index.len() != self.rank() || index.iter().zip(&self.shape).any(|(i, size)| i >= size) {
            return None;
        }
        let at = index.iter().zip(&self.strides).fold(self.offset, |at, (i, stride)| {
            at.wrapping_add_signed(stride.wrapping_mul(i.cast_signed()))
        });
        self.data.get(at)
    }

    /// Axis `i` of the result is axis `perm[i]` of this view. Fails when `perm` is no permutation.
    pub fn permute(&self, perm: &[usize]) -> Result<Self, TensorError> {
        let mut sorted: Sizes = perm.into();
        sorted.sort_unstable();
        if sorted.len() != self.rank() || sorted.iter().enumerate().any(|(at, axis)| at != *axis) {
            return Err(TensorError::Permutation { perm: perm.to_vec(), rank: self.rank() });
        }
        let pick = |axis: &usize| (self.shape[*axis], self.strides[*axis]);
        let (shape, strides) = perm.iter().map(pick).unzip::<_, _, Sizes, Strides>();
        Ok(View { data: self.data, shape, strides, offset: self.offset, len: self.len })
    }

    /// Keeps `len` indices of one axis: `start`, `start + step`, … (`step` may be negative).
    ///
    /// Fails when one of them is outside; `len` 0 is always inside.
    pub fn slice(&self, axis: usize, start: usize, step: isize, len: usize) -> Result<Self, TensorError> {
        let (Some(size), Some(stride)) = (self.shape.get(axis), self.strides.get(axis)) else {
            return Err(TensorError::Axis { axis, rank: self.rank() });
        };
        let mut out = self.clone();
        out.shape[axis] = len;
        out.len = checked_len(&out.shape)?;
        if len == 0 {
            return Ok(out);
        }
        let outside = TensorError::ViewBounds { reason: "the slice leaves its axis" };
        let last = isize::try_from(len - 1)
            .ok()
            .and_then(|steps| steps.checked_mul(step))
            .and_then(|way| start.checked_add_signed(way));
        if start >= *size || last.is_none_or(|last| last >= *size) {
            return Err(outside);
        }
        if out.len > 0 {
            // In a view with elements, `start < size` lies inside the data and so does every stepped index.
            out.offset = self.offset.wrapping_add_signed(stride.wrapping_mul(start.cast_signed()));
        }
        out.strides[axis] = stride.wrapping_mul(step);
        Ok(out)
    }

    /// Repeats axes of size 1 and adds axes in front, without copying. Fails when a size neither agrees nor is 1.
    pub fn broadcast_to(&self, shape: &[usize]) -> Result<Self, TensorError> {
        let refuse = || TensorError::Broadcast { left: self.shape.to_vec(), right: shape.to_vec() };
        let added = shape.len().checked_sub(self.rank()).ok_or_else(refuse)?;
        let mut strides: Strides = SmallVec::from_elem(0, added);
        for ((size, stride), want) in self.shape.iter().zip(&self.strides).zip(shape.iter().skip(added)) {
            strides.push(match (*size, *want) {
                (have, want) if have == want => *stride,
                (1, _) => 0,
                _ => return Err(refuse()),
            });
        }
        let len = checked_len(shape)?;
        Ok(View { data: self.data, shape: shape.into(), strides, offset: self.offset, len })
    }

    /// The same row-major order of elements under another shape, when strides can express that without a copy.
    pub fn reshape(&self, shape: &[usize]) -> Result<Self, TensorError> {
        let refuse = |reason| TensorError::Reshape { from: self.shape.to_vec(), to: shape.to_vec(), reason };
        if checked_len(shape)? != self.len {
            return Err(refuse("the number of elements differs"));
        }
        let strides = match self.len {
            0 => Some(contiguous(shape)),
            _ => regroup(&self.shape, &self.strides, shape),
        };
        let strides = strides.ok_or_else(|| refuse("the strides do not allow it without a copy"))?;
        Ok(View { data: self.data, shape: shape.into(), strides, offset: self.offset, len: self.len })
    }

    /// The data as one slice when the view is contiguous and row-major.
    pub fn as_slice(&self) -> Option<&'a [T]> {
        if self.len == 0 {
            return Some(&[]);
        }
        let mut step = 1isize;
        for (size, stride) in self.shape.iter().zip(&self.strides).rev() {
            if *size != 1 && *stride != step {
                return None;
            }
            step = step.wrapping_mul(size.cast_signed());
        }
        self.data.get(self.offset..self.offset + self.len)
    }

    /// The elements in row-major order of the view.
    pub fn iter(&self) -> ViewIter<'_, 'a, T> {
        ViewIter { view: self, index: SmallVec::from_elem(0, self.rank()), at: self.offset, left: self.len }
    }

    /// Copies the elements in row-major order of the view.
    ///
    /// A broadcast view can be far larger than its data: who broadcasts to a shape from outside bounds its
    /// [`len`](View::len) first, as allocation here fails like that of any vector.
    pub fn to_vec(&self) -> Vec<T>
    where
        T: Clone,
    {
        if let Some(slice) = self.as_slice() {
            return slice.to_vec();
        }
        let mut out = Vec::with_capacity(self.len);
        out.extend(self.iter().cloned());
        out
    }
}

fn contiguous(shape: &[usize]) -> Strides {
    row_major_strides(shape).into_iter().map(usize::cast_signed).collect()
}

/// Proves that all indices of a shape without zeros land in `0..len`.
fn check_bounds(len: usize, shape: &[usize], strides: &[isize], offset: usize) -> Result<(), TensorError> {
    let overflow = || TensorError::ViewBounds { reason: "sizes and strides overflow" };
    let (mut low, mut high) = (offset.try_into().map_err(|_| overflow())?, 0i128);
    high += low;
    for (size, stride) in shape.iter().zip(strides) {
        let reach = i128::try_from(size - 1)
            .ok()
            .and_then(|steps| steps.checked_mul(i128::try_from(*stride).ok()?))
            .ok_or_else(overflow)?;
        let end = if reach < 0 { &mut low } else { &mut high };
        *end = end.checked_add(reach).ok_or_else(overflow)?;
    }
    if low < 0 {
        return Err(TensorError::ViewBounds { reason: "an index lies before the data" });
    }
    if usize::try_from(high).is_ok_and(|high| high < len) {
        return Ok(());
    }
    Err(TensorError::ViewBounds { reason: "an index lies behind the data" })
}

/// Strides for `to` that walk the elements in the order of `from`, if there are any. Both have the same length > 0.
fn regroup(from: &[usize], strides: &[isize], to: &[usize]) -> Option<Strides> {
    let mut source = from.iter().zip(strides).filter(|(size, _)| **size != 1).peekable();
    let mut out = Strides::new();
    let mut target = to.iter().copied().peekable();
    while let Some((size, stride)) = source.next() {
        let (mut have, mut inner) = (*size, *stride);
        let first = out.len();
        let mut want = 1usize;
        let mut sizes = Sizes::new();
        while want != have {
            if want < have {
                let next = target.next()?;
                want = want.checked_mul(next)?;
                sizes.push(next);
            } else {
                let (size, stride) = source.next()?;
                // The outer axis must step over exactly the whole inner one.
                if inner != stride.checked_mul(size.cast_signed())? {
                    return None;
                }
                have = have.checked_mul(*size)?;
                inner = *stride;
            }
        }
        out.resize(first + sizes.len(), 0);
        for (slot, size) in out.iter_mut().skip(first).zip(&sizes).rev() {
            *slot = inner;
            inner = inner.wrapping_mul(size.cast_signed());
        }
    }
    out.resize(to.len(), 0);
    Some(out)
}

/// Iterator over a [`View`] in row-major order.
pub struct ViewIter<'v, 'a, T> {
    view: &'v View<'a, T>,
    index: Sizes,
    at: usize,
    left: usize,
}

impl<'a, T> Iterator for ViewIter<'_, 'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        if self.left == 0 {
            return None;
        }
        let item = self.view.data.get(self.at)?;
        self.left -= 1;
        let axes = self.view.shape.iter().zip(&self.view.strides);
        for (index, (size, stride)) in self.index.iter_mut().zip(axes).rev() {
            *index += 1;
            self.at = self.at.wrapping_add_signed(*stride);
            if *index < *size {
                break;
            }
            self.at = self.at.wrapping_add_signed(stride.wrapping_mul(size.cast_signed()).wrapping_neg());
            *index = 0;
        }
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for ViewIter<'_, '_, T> {}

impl<'v, 'a, T> IntoIterator for &'v View<'a, T> {
    type Item = &'a T;
    type IntoIter = ViewIter<'v, 'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(n: i32) -> Vec<i32> {
        (0..n).collect()
    }

    #[test]
    fn lengths_and_strides() {
        assert_eq!(checked_len(&[]).unwrap(), 1);
        assert_eq!(checked_len(&[usize::MAX, 3, 0]).unwrap(), 0);
        assert!(checked_len(&[usize::MAX, 3]).is_err());
        assert_eq!(row_major_strides(&[2, 3, 4]), [12, 4, 1]);
        assert_eq!(row_major_strides(&[]), [0usize; 0]);
    }

    #[test]
    fn broadcasting() {
        for (shapes, want) in [
            (vec![], Some(vec![])),
            (vec![&[2, 3][..], &[3]], Some(vec![2, 3])),
            (vec![&[3][..], &[2, 1], &[]], Some(vec![2, 3])),
            (vec![&[0][..], &[1]], Some(vec![0])),
            (vec![&[0][..], &[2]], None),
            (vec![&[2, 3][..], &[2]], None),
        ] {
            assert_eq!(broadcast_shapes(&shapes).ok(), want, "{shapes:?}");
        }
    }

    #[test]
    fn permutes_slices_and_broadcasts() {
        let data = counted(6);
        let view = View::new(&data, &[2, 3]).unwrap();
        assert_eq!(view.permute(&[1, 0]).unwrap().to_vec(), [0, 3, 1, 4, 2, 5]);
        assert_eq!(view.slice(1, 2, -2, 2).unwrap().to_vec(), [2, 0, 5, 3]);
        assert_eq!(view.slice(0, 1, 1, 1).unwrap().to_vec(), [3, 4, 5]);
        assert_eq!(view.slice(0, 1, 1, 1).unwrap().as_slice(), Some(&data[3..]));
        assert_eq!(view.slice(0, 9, 1, 0).unwrap().to_vec(), [0; 0]);
        let row = View::new(&data[..3], &[3, 1]).unwrap().broadcast_to(&[2, 3, 2]).unwrap();
        assert_eq!(row.to_vec(), [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
        assert_eq!(row.get(&[1, 2, 1]), Some(&2));
        assert_eq!(row.get(&[2, 0, 0]), None);
        let scalar = View::new(&data[..1], &[]).unwrap();
        assert_eq!(scalar.to_vec(), [0]);
        for bad in [
            view.slice(1, 3, 1, 1),
            view.slice(1, 0, -1, 2),
            view.slice(1, 1, isize::MIN, 3),
            view.slice(2, 0, 1, 1),
        ] {
            assert!(bad.is_err());
        }
        assert!(view.permute(&[0, 0]).is_err());
        assert!(view.permute(&[0]).is_err());
        assert!(view.broadcast_to(&[3]).is_err());
        assert!(view.broadcast_to(&[4, 3]).is_err());
    }

    #[test]
    fn strides_from_outside_are_proven() {
        let data = counted(6);
        let ok = View::with_strides(&data, &[2, 2], &[-3, 1], 3).unwrap();
        assert_eq!(ok.to_vec(), [3, 4, 0, 1]);
        for (shape, strides, offset) in [
            (&[2, 2][..], &[-3, 1][..], 2),
            (&[2, 4], &[3, 1], 0),
            (&[1], &[1], 6),
            (&[2], &[isize::MIN], 0),
            (&[usize::MAX], &[isize::MAX], 0),
            (&[2], &[1, 1], 0),
        ] {
            assert!(View::with_strides(&data, shape, strides, offset).is_err(), "{shape:?} {strides:?}");
        }
        assert!(View::with_strides(&data, &[0, 5], &[99, 99], 99).unwrap().to_vec().is_empty());
        assert!(View::new(&data, &[7]).is_err());
    }

    #[test]
    fn reshapes_without_copies_where_possible() {
        let data = counted(24);
        let view = View::new(&data, &[2, 3, 4]).unwrap();
        assert_eq!(view.reshape(&[6, 1, 4]).unwrap().strides(), [4, 4, 1]);
        assert_eq!(view.reshape(&[3, 8]).unwrap().to_vec(), data);
        let turned = view.permute(&[2, 0, 1]).unwrap();
        let flat = turned.reshape(&[4, 6]).unwrap();
        assert_eq!(flat.to_vec(), turned.to_vec());
        assert_eq!(turned.reshape(&[2, 2, 6]).unwrap().to_vec(), turned.to_vec());
        assert!(turned.reshape(&[24]).is_err());
        assert!(turned.reshape(&[23]).is_err());
        let scalar = View::new(&data[..1], &[1, 1]).unwrap();
        assert_eq!(scalar.reshape(&[]).unwrap().to_vec(), [0]);
    }

    /// Multiplicative congruential numbers, enough to vary shapes.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % end
        }

        /// Splits `len` into the sizes of a random shape.
        fn shape(&mut self, mut len: usize) -> Vec<usize> {
            let mut shape = Vec::new();
            while len > 1 || self.below(3) == 0 {
                let divisors: Vec<usize> = (1..=len).filter(|d| len.is_multiple_of(*d)).collect();
                let size = divisors[self.below(divisors.len())];
                shape.push(size);
                len /= size;
            }
            shape
        }
    }

    #[test]
    fn random_chains_of_views_agree_with_copies() {
        for seed in 0..2000 {
            let mut random = Random(seed);
            let len = [1, 12, 36, 64][random.below(4)];
            let data = counted(len as i32);
            let view = View::new(&data, &random.shape(len)).unwrap();
            let mut perm: Vec<usize> = (0..view.rank()).collect();
            (1..perm.len()).for_each(|i| perm.swap(i, random.below(i + 1)));
            let turned = view.permute(&perm).unwrap();
            let mut copy: Vec<i32> = Vec::new();
            let mut index = vec![0; turned.rank()];
            'walk: loop {
                copy.push(*turned.get(&index).unwrap());
                for axis in (0..index.len()).rev() {
                    index[axis] += 1;
                    if index[axis] < turned.shape()[axis] {
                        continue 'walk;
                    }
                    index[axis] = 0;
                }
                break;
            }
            assert_eq!(turned.to_vec(), copy, "seed {seed}");
            if let Ok(reshaped) = turned.reshape(&random.shape(len)) {
                assert_eq!(reshaped.to_vec(), copy, "seed {seed}");
                assert_eq!(reshaped.iter().count(), len, "seed {seed}");
            }
            // Splitting axes never needs a copy.
            let split: Vec<usize> = turned.shape().iter().flat_map(|size| random.shape(*size)).collect();
            assert_eq!(turned.reshape(&split).unwrap().to_vec(), copy, "seed {seed}");
        }
    }
}
