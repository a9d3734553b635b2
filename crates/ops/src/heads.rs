//! What attention operators share: tensors split into heads, scores of queries against keys, and weighted sums of
//! values. All arithmetic is in `f64`.

use lehr_graph::{Dim, EvalCx, InferCx, OpError, Shape};
use lehr_tensor::{DataType, Tensor, Wide, checked_len};

/// A tensor of `f64` with the axes batch, heads, positions and features of a head.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heads {
    /// Elements, row-major.
    pub data: Vec<f64>,
    /// Batch, heads, positions, features.
    pub dims: [usize; 4],
}

impl Heads {
    /// Zeros, when they stay below `max_bytes`.
    pub(crate) fn zeros(dims: [usize; 4], max_bytes: usize) -> Result<Self, OpError> {
        let len = checked_len(&dims)?;
        if len.saturating_mul(size_of::<f64>()) > max_bytes {
            return Err(OpError::value(format!(
                "an intermediate value of shape {dims:?} exceeds the limit of {max_bytes} bytes"
            )));
        }
        Ok(Self { data: vec![0.0; len], dims })
    }

    /// A tensor that has the four axes already.
    pub(crate) fn of(tensor: &Tensor, index: usize) -> Result<Self, OpError> {
        let dims = <[usize; 4]>::try_from(tensor.shape()).map_err(|_| {
            OpError::shape(format!("input {index}: expected rank 4, got shape {:?}", tensor.shape()))
        })?;
        Ok(Self { data: floats(tensor, index)?, dims })
    }

    /// A tensor of batch, positions and heads·features.
    pub(crate) fn packed(tensor: &Tensor, index: usize, heads: usize) -> Result<Self, OpError> {
        let &[batch, positions, hidden] = tensor.shape() else {
            return Err(OpError::shape(format!(
                "input {index}: expected rank 3, got shape {:?}",
                tensor.shape()
            )));
        };
        if heads == 0 || !hidden.is_multiple_of(heads) {
            return Err(OpError::shape(format!(
                "input {index}: {hidden} features do not divide into {heads} heads"
            )));
        }
        let size = hidden / heads;
        let source = floats(tensor, index)?;
        Ok(Self::swapped(&source, [batch, positions, heads, size]))
    }

    /// Exchanges the two middle axes of `source`, which has the given sizes.
    pub(crate) fn swapped(source: &[f64], [batch, a, b, size]: [usize; 4]) -> Self {
        let mut data = Vec::with_capacity(source.len());
        for n in 0..batch {
            for j in 0..b {
                for i in 0..a {
                    let at = ((n * a + i) * b + j) * size;
                    data.extend_from_slice(&source[at..at + size]);
                }
            }
        }
        Self { data, dims: [batch, b, a, size] }
    }

    /// The features at one position.
    pub(crate) fn row(&self, batch: usize, head: usize, position: usize) -> &[f64] {
        let [_, heads, positions, size] = self.dims;
        let at = ((batch * heads + head) * positions + position) * size;
        &self.data[at..at + size]
    }

    /// The same, to be changed.
    pub(crate) fn row_mut(&mut self, batch: usize, head: usize, position: usize) -> &mut [f64] {
        let [_, heads, positions, size] = self.dims;
        let at = ((batch * heads + head) * positions + position) * size;
        &mut self.data[at..at + size]
    }

    /// `self` followed by `next` along the positions.
    pub(crate) fn followed_by(&self, next: &Heads) -> Result<Heads, OpError> {
        let ([b, h, past, size], [nb, nh, new, nsize]) = (self.dims, next.dims);
        if (b, h, size) != (nb, nh, nsize) {
            return Err(OpError::shape(format!(
                "a past state of shape {:?} does not fit new entries of shape {:?}",
                self.dims, next.dims
            )));
        }
        let mut data = Vec::with_capacity(self.data.len() + next.data.len());
        for block in 0..b * h {
            data.extend_from_slice(&self.data[block * past * size..(block + 1) * past * size]);
            data.extend_from_slice(&next.data[block * new * size..(block + 1) * new * size]);
        }
        Ok(Heads { data, dims: [b, h, past + new, size] })
    }

    /// As a tensor of four axes.
    pub(crate) fn to_tensor(&self, dtype: DataType) -> Result<Tensor, OpError> {
        Ok(Tensor::narrow(dtype, &self.dims, Wide::F(self.data.clone()))?)
    }

    /// As a tensor of batch, positions and heads·features.
    pub(crate) fn to_packed(&self, dtype: DataType) -> Result<Tensor, OpError> {
        let [batch, heads, positions, size] = self.dims;
        let swapped = Self::swapped(&self.data, self.dims);
        Ok(Tensor::narrow(dtype, &[batch, positions, heads * size], Wide::F(swapped.data))?)
    }

    /// Rounds every element to `dtype`.
    pub(crate) fn rounded(self, dtype: DataType) -> Result<Self, OpError> {
        let Self { data, dims } = self;
        Ok(Self { data: rounded(data, dtype)?, dims })
    }
}

/// Elements of a floating-point tensor.
pub(crate) fn floats(tensor: &Tensor, index: usize) -> Result<Vec<f64>, OpError> {
    match tensor.widen() {
        Wide::F(values) => Ok(values),
        _ => Err(OpError::input_type(index, "a floating-point type", tensor.dtype())),
    }
}

/// Every value rounded to a floating-point type.
pub(crate) fn rounded(values: Vec<f64>, dtype: DataType) -> Result<Vec<f64>, OpError> {
    let len = values.len();
    match Tensor::narrow(dtype, &[len], Wide::F(values))?.widen() {
        Wide::F(values) => Ok(values),
        _ => Ok(Vec::new()),
    }
}

/// How many query heads share one head of keys.
fn group_size(queries: usize, keys: usize) -> Result<usize, OpError> {
    if keys == 0 || !queries.is_multiple_of(keys) {
        return Err(OpError::shape(format!(
            "the number of query heads must be a multiple of the {keys} key heads, got {queries}"
        )));
    }
    Ok(queries / keys)
}

/// `scale · Q·Kᵀ`: batch, query heads, queries, keys. Query head `h` uses key head `h / group`.
pub(crate) fn scores(q: &Heads, k: &Heads, scale: f64, max_bytes: usize) -> Result<Heads, OpError> {
    let ([batch, heads, n, size], [kb, kh, m, ksize]) = (q.dims, k.dims);
    if batch != kb || size != ksize {
        return Err(OpError::shape(format!("queries {:?} do not fit keys {:?}", q.dims, k.dims)));
    }
    let group = group_size(heads, kh)?;
    let mut out = Heads::zeros([batch, heads, n, m], max_bytes)?;
    for b in 0..batch {
        for h in 0..heads {
            for i in 0..n {
                let query = q.row(b, h, i);
                for (j, score) in out.row_mut(b, h, i).iter_mut().enumerate() {
                    let key = k.row(b, h / group, j);
                    *score = scale * query.iter().zip(key).map(|(x, y)| x * y).sum::<f64>();
                }
            }
        }
    }
    Ok(out)
}

/// `P·V`: batch, query heads, queries, features.
pub(crate) fn weigh(p: &Heads, v: &Heads, max_bytes: usize) -> Result<Heads, OpError> {
    let ([batch, heads, n, m], [vb, vh, vm, size]) = (p.dims, v.dims);
    if (batch, m) != (vb, vm) {
        return Err(OpError::shape(format!("weights {:?} do not fit values {:?}", p.dims, v.dims)));
    }
    let group = group_size(heads, vh)?;
    let mut out = Heads::zeros([batch, heads, n, size], max_bytes)?;
    for b in 0..batch {
        for h in 0..heads {
            for i in 0..n {
                let sum = out.row_mut(b, h, i);
                for (j, &weight) in p.row(b, h, i).iter().enumerate() {
                    // A masked position must not let infinities of its value through.
                    if weight != 0.0 {
                        sum.iter_mut().zip(v.row(b, h / group, j)).for_each(|(s, x)| *s += weight * x);
                    }
                }
            }
        }
    }
    Ok(out)
}

/// Softmax of one row in place; a row of only -∞ becomes zeros.
pub(crate) fn softmax(row: &mut [f64]) {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if max == f64::NEG_INFINITY {
        // NaN survives; it is not a masked position.
        row.iter_mut().filter(|x| !x.is_nan()).for_each(|x| *x = 0.0);
        return;
    }
    let mut sum = 0.0;
    for x in row.iter_mut() {
        *x = (*x - max).exp();
        sum += *x;
    }
    row.iter_mut().for_each(|x| *x /= sum);
}

/// `scale` or, when it is absent or zero, `1/√size`.
pub(crate) fn scale_or_default(scale: Option<f32>, size: usize) -> f64 {
    match scale {
        Some(scale) if scale != 0.0 => f64::from(scale),
        _ => 1.0 / (size as f64).sqrt(),
    }
}

/// A positive number of heads.
pub(crate) fn head_count(name: &str, value: Option<i64>) -> Result<usize, OpError> {
    match value.map(usize::try_from) {
        Some(Ok(heads)) if heads > 0 => Ok(heads),
        Some(_) => Err(OpError::attribute(name, "expected a positive number of heads")),
        None => Err(OpError::attribute(name, "is required for inputs of rank 3")),
    }
}

/// Most bytes of one value here.
pub(crate) fn limit(cx: &EvalCx<'_>) -> usize {
    cx.environment().max_value_bytes()
}

/// Batch, heads, positions and features of an input of rank 4, or of rank 3 with `heads` heads.
pub(crate) fn infer_heads(
    cx: &InferCx<'_>,
    index: usize,
    name: &str,
    heads: Option<i64>,
) -> Result<Option<[Dim; 4]>, OpError> {
    let Some(shape) = cx.shape(index) else { return Ok(None) };
    match shape.dims() {
        [b, h, s, d] => Ok(Some([b.clone(), h.clone(), s.clone(), d.clone()])),
        [b, s, hidden] => {
            let heads = Dim::Fixed(head_count(name, heads)? as u64);
            if hidden.is_multiple_of(&heads) == Some(false) {
                return Err(OpError::shape(format!(
                    "input {index}: {hidden} features do not divide into {heads} heads"
                )));
            }
            let size = hidden.div_exact(&heads);
            Ok(Some([b.clone(), heads, s.clone(), size]))
        }
        _ => Err(OpError::shape(format!("input {index}: expected rank 3 or 4, got {shape}"))),
    }
}

/// The shape `[batch, heads, positions, features]`, or `[batch, positions, heads·features]` when `packed`.
pub(crate) fn heads_shape(packed: bool, [batch, heads, positions, size]: [Dim; 4]) -> Shape {
    if packed {
        [batch, positions, heads.mul(&size)].into_iter().collect()
    } else {
        [batch, heads, positions, size].into_iter().collect()
    }
}
