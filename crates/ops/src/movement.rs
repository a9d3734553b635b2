//! What operators share that move elements without computing: copies by position for every element type, texts and
//! packed sub-byte codes included.

use lehr_graph::{Environment, OpError};
use lehr_tensor::{Bytes, DataType, Tensor, checked_len};

/// Refuses an output that would not fit the limit of the environment; gives its number of elements.
pub(crate) fn check_size(
    environment: &dyn Environment,
    dtype: DataType,
    shape: &[usize],
) -> Result<usize, OpError> {
    let len = checked_len(shape)?;
    let bytes =
        if dtype == DataType::String { len.checked_mul(size_of::<String>()) } else { dtype.byte_len(len) };
    match bytes {
        Some(bytes) if bytes <= environment.max_value_bytes() => Ok(len),
        _ => Err(OpError::value(format!(
            "an output of shape {shape:?} exceeds the limit of {} bytes",
            environment.max_value_bytes()
        ))),
    }
}

/// `index` counted from the front; a negative one counts from the end.
pub(crate) fn resolve_index(index: i64, size: usize) -> Result<usize, OpError> {
    let signed = i64::try_from(size).unwrap_or(i64::MAX);
    let resolved = if index < 0 { index.checked_add(signed) } else { Some(index) };
    match resolved.and_then(|i| usize::try_from(i).ok()) {
        Some(i) if i < size => Ok(i),
        _ => Err(OpError::value(format!("index {index} is out of range for size {size}"))),
    }
}

/// The product of sizes without overflow: 0 beside a size of 0, else saturated.
pub(crate) fn count(sizes: &[usize]) -> usize {
    if sizes.contains(&0) { 0 } else { sizes.iter().fold(1, |a: usize, &b| a.saturating_mul(b)) }
}

/// A rearrangement that works on elements of any type.
pub(crate) trait Movement {
    /// The rearranged elements of the sources.
    fn apply<T: Clone + Default>(&self, sources: &[&[T]]) -> Result<Vec<T>, OpError>;
}

/// A tensor of `shape` made of elements of `sources`, which must have one type.
pub(crate) fn move_elements(
    sources: &[&Tensor],
    shape: &[usize],
    movement: &impl Movement,
) -> Result<Tensor, OpError> {
    let Some(first) = sources.first() else { return Err(OpError::MissingInput { index: 0 }) };
    let dtype = first.dtype();
    if let Some((index, other)) = sources.iter().enumerate().find(|(_, t)| t.dtype() != dtype) {
        return Err(OpError::input_type(index, dtype.name(), other.dtype()));
    }
    if dtype == DataType::String {
        let parts = sources.iter().map(|t| t.strings()).collect::<Result<Vec<_>, _>>()?;
        return Ok(Tensor::from_strings(shape, movement.apply(&parts)?)?);
    }
    if dtype.is_sub_byte() {
        let codes = sources.iter().map(|t| t.codes()).collect::<Result<Vec<_>, _>>()?;
        let parts: Vec<&[u8]> = codes.iter().map(|c| &**c).collect();
        return Ok(Tensor::from_codes(dtype, shape, &movement.apply(&parts)?)?);
    }
    if dtype == DataType::F32 {
        let slices = sources.iter().map(|t| t.as_slice::<f32>()).collect::<Result<Vec<_>, _>>()?;
        let parts: Vec<&[f32]> = slices.iter().map(|s| &**s).collect();
        return Ok(Tensor::from_vec(shape, movement.apply(&parts)?)?);
    }
    let bytes = match dtype.bits() {
        8 => move_bytes::<1>(sources, movement),
        16 => move_bytes::<2>(sources, movement),
        32 => move_bytes::<4>(sources, movement),
        64 => move_bytes::<8>(sources, movement),
        _ => move_bytes::<16>(sources, movement),
    }?;
    Ok(Tensor::from_bytes(dtype, shape, Bytes::from(bytes))?)
}

fn move_bytes<const N: usize>(sources: &[&Tensor], movement: &impl Movement) -> Result<Vec<u8>, OpError>
where
    [u8; N]: Default,
{
    let parts: Vec<&[[u8; N]]> = sources.iter().map(|t| t.bytes().as_chunks::<N>().0).collect();
    Ok(movement.apply(&parts)?.into_flattened())
}

/// Blocks of `block` elements of source 0, one for each start.
pub(crate) struct Blocks<'a> {
    /// Where the blocks start, in elements.
    pub starts: &'a [usize],
    /// Elements of a block.
    pub block: usize,
}

impl Movement for Blocks<'_> {
    fn apply<T: Clone + Default>(&self, sources: &[&[T]]) -> Result<Vec<T>, OpError> {
        let [source, ..] = sources else { return Err(OpError::MissingInput { index: 0 }) };
        let mut out = Vec::with_capacity(self.starts.len().saturating_mul(self.block));
        for &start in self.starts {
            out.extend_from_slice(range(source, start, self.block)?);
        }
        Ok(out)
    }
}

/// Source 0 with blocks overwritten by consecutive blocks of source 1; the last writer of a place wins.
pub(crate) struct Overwrite<'a> {
    /// Where the blocks go, in elements.
    pub starts: &'a [usize],
    /// Elements of a block.
    pub block: usize,
}

impl Movement for Overwrite<'_> {
    fn apply<T: Clone + Default>(&self, sources: &[&[T]]) -> Result<Vec<T>, OpError> {
        let [base, updates, ..] = sources else { return Err(OpError::MissingInput { index: 1 }) };
        let mut out = base.to_vec();
        for (i, &start) in self.starts.iter().enumerate() {
            let update = range(updates, i.saturating_mul(self.block), self.block)?;
            let size = out.len();
            out.get_mut(start..start.saturating_add(self.block))
                .ok_or_else(|| outside(start, size))?
                .clone_from_slice(update);
        }
        Ok(out)
    }
}

fn range<T>(source: &[T], start: usize, len: usize) -> Result<&[T], OpError> {
    source.get(start..start.saturating_add(len)).ok_or_else(|| outside(start, source.len()))
}

#[cold]
fn outside(start: usize, len: usize) -> OpError {
    OpError::value(format!("position {start} lies outside of {len} elements"))
}

/// The axes of source 0 in another order.
pub(crate) struct Permute<'a> {
    shape: &'a [usize],
    perm: &'a [usize],
}

impl<'a> Permute<'a> {
    /// `perm` must be a permutation of the axes of `shape`.
    pub(crate) fn new(shape: &'a [usize], perm: &'a [usize]) -> Self {
        Self { shape, perm }
    }

    /// Output sizes and the steps in the source along them, without axes of size 1 and with axes merged that stay
    /// neighbours.
    fn collapsed(&self) -> Vec<(usize, usize)> {
        let strides = lehr_tensor::row_major_strides(self.shape);
        let mut axes: Vec<(usize, usize)> = Vec::with_capacity(self.perm.len());
        for &axis in self.perm {
            let (size, stride) = (self.shape[axis], strides[axis]);
            if size == 1 {
                continue;
            }
            match axes.last_mut() {
                Some(last) if last.1 == stride.saturating_mul(size) => {
                    *last = (last.0.saturating_mul(size), stride)
                }
                _ => axes.push((size, stride)),
            }
        }
        axes
    }
}

/// Side of the square that is transposed at once, so that reads and writes stay in cache lines that are in use.
const TILE: usize = 32;

impl Movement for Permute<'_> {
    fn apply<T: Clone + Default>(&self, sources: &[&[T]]) -> Result<Vec<T>, OpError> {
        let [source, ..] = sources else { return Err(OpError::MissingInput { index: 0 }) };
        let mut axes = self.collapsed();
        if source.is_empty() || axes.len() <= 1 {
            return Ok(source.to_vec());
        }
        let unit = axes.iter().rposition(|&(_, stride)| stride == 1);
        let (rows, row_stride) = axes.pop().unwrap_or((1, 1));
        if row_stride == 1 {
            let mut out = Vec::with_capacity(source.len());
            let (sizes, strides): (Vec<_>, Vec<_>) = axes.into_iter().unzip();
            for start in StridedIndex::new(&sizes, &strides) {
                out.extend_from_slice(range(source, start, rows)?);
            }
            return Ok(out);
        }
        let mut out = vec![T::default(); source.len()];
        let mut out_strides = vec![rows; axes.len()];
        for axis in (0..axes.len().saturating_sub(1)).rev() {
            out_strides[axis] = out_strides[axis + 1] * axes[axis + 1].0;
        }
        // Every permuted shape with elements has an axis of stride 1.
        let unit = unit.unwrap_or(0);
        let (columns, _) = axes.remove(unit);
        let column_stride = out_strides.remove(unit);
        let (sizes, strides): (Vec<_>, Vec<_>) = axes.into_iter().unzip();
        let from = StridedIndex::new(&sizes, &strides);
        let to = StridedIndex::new(&sizes, &out_strides);
        for (from, to) in from.zip(to) {
            for column in (0..columns).step_by(TILE) {
                for row in (0..rows).step_by(TILE) {
                    for c in column..columns.min(column + TILE) {
                        for r in row..rows.min(row + TILE) {
                            out[to + c * column_stride + r] = source[from + r * row_stride + c].clone();
                        }
                    }
                }
            }
        }
        Ok(out)
    }
}

/// Offsets of a strided walk in row-major order of the sizes.
pub(crate) struct StridedIndex {
    sizes: Vec<usize>,
    strides: Vec<usize>,
    index: Vec<usize>,
    offset: usize,
    left: usize,
}

impl StridedIndex {
    /// Sizes and strides in elements; both have one entry per axis.
    pub(crate) fn new(sizes: &[usize], strides: &[usize]) -> Self {
        Self {
            sizes: sizes.to_vec(),
            strides: strides.to_vec(),
            index: vec![0; sizes.len()],
            offset: 0,
            left: count(sizes),
        }
    }
}

impl Iterator for StridedIndex {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let current = self.offset;
        for axis in (0..self.sizes.len()).rev() {
            self.index[axis] += 1;
            self.offset += self.strides[axis];
            if self.index[axis] < self.sizes[axis] {
                break;
            }
            self.offset -= self.strides[axis] * self.sizes[axis];
            self.index[axis] = 0;
        }
        Some(current)
    }
}

/// A stretch of output indices along one axis.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Run {
    /// Source index of the first; `None` takes the fill value.
    start: Option<usize>,
    /// Step between source indices.
    step: i64,
    len: usize,
}

/// Which source index each output index along an axis takes; or the fill value.
#[derive(Clone, Debug, Default)]
pub(crate) struct AxisPicks {
    runs: Vec<Run>,
    len: usize,
}

impl AxisPicks {
    /// All `size` indices in order.
    pub(crate) fn identity(size: usize) -> Self {
        let mut picks = Self::default();
        picks.stretch(0, 1, size);
        picks
    }

    /// Index 0, `times` times.
    pub(crate) fn repeated(times: usize) -> Self {
        let mut picks = Self::default();
        picks.stretch(0, 0, times);
        picks
    }

    /// `len` indices from `start` on.
    pub(crate) fn stretch(&mut self, start: usize, step: i64, len: usize) {
        self.append(Run { start: Some(start), step, len });
    }

    /// `len` times the fill value.
    pub(crate) fn fill(&mut self, len: usize) {
        self.append(Run { start: None, step: 0, len });
    }

    /// One more index.
    pub(crate) fn push(&mut self, index: usize) {
        if let Some(Run { start: Some(start), step, len }) = self.runs.last_mut() {
            let signed = |i: usize| i64::try_from(i).unwrap_or(i64::MAX);
            let distance = signed(index) - signed(*start);
            let continues = if *len == 1 {
                *step = distance;
                true
            } else {
                step.checked_mul(signed(*len)) == Some(distance)
            };
            if continues {
                *len += 1;
                self.len += 1;
                return;
            }
        }
        self.append(Run { start: Some(index), step: 1, len: 1 });
    }

    /// How many output indices there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Stretches: source index of the first one (`None` takes the fill value), step and number.
    pub(crate) fn runs(&self) -> impl ExactSizeIterator<Item = (Option<usize>, i64, usize)> {
        self.runs.iter().map(|run| (run.start, run.step, run.len))
    }

    /// The source index of each output index.
    pub(crate) fn indices(&self) -> impl Iterator<Item = Option<usize>> {
        self.runs.iter().flat_map(|run| {
            let place = |start: usize, i: usize| {
                let way = isize::try_from(run.step).ok()?.checked_mul(isize::try_from(i).ok()?)?;
                start.checked_add_signed(way)
            };
            (0..run.len).map(move |i| run.start.and_then(|start| place(start, i)))
        })
    }

    fn append(&mut self, run: Run) {
        if run.len > 0 {
            self.len += run.len;
            self.runs.push(run);
        }
    }

    fn is_identity(&self, size: usize) -> bool {
        matches!(self.runs[..], [Run { start: Some(0), step: 1, len }] if len == size)
            || (size == 0 && self.len == 0)
    }

    fn fits(&self, size: usize) -> bool {
        self.runs.iter().all(|run| {
            let Some(start) = run.start else { return true };
            let last = i64::try_from(run.len - 1)
                .ok()
                .and_then(|n| n.checked_mul(run.step))
                .and_then(|way| start.checked_add_signed(isize::try_from(way).ok()?));
            start < size && last.is_some_and(|last| last < size)
        })
    }
}

/// Output element (i, j, …) is source 0 at (picks₀[i], picks₁[j], …), or the only element of source 1 where one of
/// them asks for the fill value.
pub(crate) struct Separable<'a> {
    picks: &'a [AxisPicks],
    /// Steps in the source.
    strides: Vec<usize>,
    /// Output elements behind each axis.
    inner: Vec<usize>,
    /// Axes that are walked; those behind are copied as one block.
    depth: usize,
    block: usize,
    len: usize,
}

impl<'a> Separable<'a> {
    /// One entry of `picks` per axis of the source's shape.
    ///
    /// # Errors
    /// When an index lies outside or the output is too large.
    pub(crate) fn new(shape: &[usize], picks: &'a [AxisPicks]) -> Result<Self, OpError> {
        if shape.len() != picks.len() || !picks.iter().zip(shape).all(|(p, &size)| p.fits(size)) {
            return Err(OpError::value(format!("an index lies outside of the shape {shape:?}")));
        }
        let sizes: Vec<_> = picks.iter().map(AxisPicks::len).collect();
        let len = checked_len(&sizes)?;
        let mut depth = shape.len();
        while depth > 0 && picks[depth - 1].is_identity(shape[depth - 1]) {
            depth -= 1;
        }
        Ok(Self {
            picks,
            strides: lehr_tensor::row_major_strides(shape),
            inner: lehr_tensor::row_major_strides(&sizes),
            depth,
            block: count(&shape[depth..]),
            len,
        })
    }

    /// Axes that are walked.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Elements of the axes behind, which are taken as they are.
    pub(crate) fn block(&self) -> usize {
        self.block
    }

    /// Appends everything behind `axis`, the source starting at `base`.
    fn emit<T: Clone>(
        &self,
        axis: usize,
        base: usize,
        source: &[T],
        fill: Option<&T>,
        out: &mut Vec<T>,
    ) -> Result<(), OpError> {
        if axis == self.depth {
            out.extend_from_slice(range(source, base, self.block)?);
            return Ok(());
        }
        let stride = self.strides[axis];
        for run in &self.picks[axis].runs {
            let Some(start) = run.start else {
                let fill = fill.ok_or(OpError::MissingInput { index: 1 })?;
                out.resize(out.len() + run.len * self.inner[axis], fill.clone());
                continue;
            };
            let first = base + start * stride;
            if run.step == 0 {
                let from = out.len();
                self.emit(axis + 1, first, source, fill, out)?;
                let to = out.len();
                for _ in 1..run.len {
                    out.extend_from_within(from..to);
                }
            } else if run.step == 1 && axis + 1 == self.depth {
                out.extend_from_slice(range(source, first, run.len * self.block)?);
            } else {
                for i in 0..run.len {
                    // The whole run was checked to lie inside the axis.
                    let index = start as i64 + run.step * i as i64;
                    self.emit(axis + 1, base + index as usize * stride, source, fill, out)?;
                }
            }
        }
        Ok(())
    }
}

impl Movement for Separable<'_> {
    fn apply<T: Clone + Default>(&self, sources: &[&[T]]) -> Result<Vec<T>, OpError> {
        let [source, rest @ ..] = sources else { return Err(OpError::MissingInput { index: 0 }) };
        let mut out = Vec::with_capacity(self.len);
        if self.len > 0 {
            self.emit(0, 0, source, rest.first().and_then(|s| s.first()), &mut out)?;
        }
        Ok(out)
    }
}

/// `x` with new axes by `picks`; `fill` is a one-element tensor of the type of `x`, or absent when nothing is filled.
pub(crate) fn pick(x: &Tensor, picks: &[AxisPicks], fill: Option<&Tensor>) -> Result<Tensor, OpError> {
    pick_as(x, x.shape(), picks, fill)
}

/// The same with `x` seen under another shape of as many elements.
pub(crate) fn pick_as(
    x: &Tensor,
    shape: &[usize],
    picks: &[AxisPicks],
    fill: Option<&Tensor>,
) -> Result<Tensor, OpError> {
    let sizes: Vec<_> = picks.iter().map(AxisPicks::len).collect();
    let movement = Separable::new(shape, picks)?;
    match fill {
        Some(fill) => move_elements(&[x, fill], &sizes, &movement),
        None => move_elements(&[x], &sizes, &movement),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permutes_every_width_like_the_definition() {
        let shape = [3usize, 40, 2, 37];
        let len: usize = shape.iter().product();
        let strides = lehr_tensor::row_major_strides(&shape);
        for perm in [[0, 1, 2, 3], [3, 2, 1, 0], [0, 3, 1, 2], [1, 0, 2, 3], [0, 2, 3, 1]] {
            let sizes: Vec<_> = perm.iter().map(|&a| shape[a]).collect();
            let steps: Vec<_> = perm.iter().map(|&a| strides[a]).collect();
            let want: Vec<u16> = StridedIndex::new(&sizes, &steps).map(|i| i as u16).collect();
            let x = Tensor::from_vec(&shape, (0..len).map(|i| i as u16).collect()).unwrap();
            let y = move_elements(&[&x], &sizes, &Permute::new(&shape, &perm)).unwrap();
            assert_eq!(y.into_vec::<u16>().unwrap(), want, "{perm:?}");
        }
    }

    #[test]
    fn picks_texts_and_packed_codes() {
        let mut picks = AxisPicks::default();
        picks.fill(1);
        [2, 0, 1].into_iter().for_each(|i| picks.push(i));
        let text = |s: &[&str]| Tensor::from_strings(&[s.len()], s.iter().map(|s| s.to_string()).collect());
        let x = text(&["a", "b", "c"]).unwrap();
        let y = pick(&x, &[picks.clone()], Some(&text(&["-"]).unwrap())).unwrap();
        assert_eq!(y, text(&["-", "c", "a", "b"]).unwrap());
        let codes = |c: &[u8]| Tensor::from_codes(DataType::U4, &[c.len()], c).unwrap();
        let y = pick(&codes(&[5, 6, 7]), &[picks], Some(&codes(&[9]))).unwrap();
        assert_eq!(y, codes(&[9, 7, 5, 6]));
    }
}
