//! Batched matrix products with numpy's shape rules.

use lehr_graph::{AxisMap, AxisRole, Cost, Dim, InferCx, OpError, Shape, Signature};
use lehr_tensor::{broadcast_shapes, checked_len};

use crate::elementwise::BroadcastIndex;

/// Sizes of a batched product `[batch…, m, k] · [batch…, k, n]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProductShape {
    pub(crate) batch: Vec<usize>,
    a_batch: Vec<usize>,
    b_batch: Vec<usize>,
    pub(crate) m: usize,
    pub(crate) k: usize,
    pub(crate) n: usize,
    /// Shape of the result; a vector operand has no axis there.
    pub(crate) output: Vec<usize>,
}

impl ProductShape {
    /// For operands of the given shapes.
    pub(crate) fn new(a: &[usize], b: &[usize]) -> Result<Self, OpError> {
        let (a_batch, m, k) = match a {
            [] => return Err(scalar_operand(0)),
            [k] => (&[][..], 1, *k),
            [batch @ .., m, k] => (batch, *m, *k),
        };
        let (b_batch, b_k, n) = match b {
            [] => return Err(scalar_operand(1)),
            [k] => (&[][..], *k, 1),
            [batch @ .., k, n] => (batch, *k, *n),
        };
        if k != b_k {
            return Err(OpError::shape(format!("inner sizes differ: {a:?} has {k}, {b:?} has {b_k}")));
        }
        let batch = broadcast_shapes(&[a_batch, b_batch])?;
        let mut output = batch.clone();
        if a.len() > 1 {
            output.push(m);
        }
        if b.len() > 1 {
            output.push(n);
        }
        checked_len(&output)?;
        Ok(Self { batch, a_batch: a_batch.to_vec(), b_batch: b_batch.to_vec(), m, k, n, output })
    }

    /// Which matrix of A and which of B make each matrix of the result.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        BroadcastIndex::new(&self.a_batch, &self.batch).zip(BroadcastIndex::new(&self.b_batch, &self.batch))
    }

    /// Whether all matrices of A meet the same matrix of B, so that A is one tall matrix.
    pub(crate) fn shares_b(&self) -> bool {
        self.b_batch.iter().all(|&d| d == 1)
    }

    /// Number of matrices in the result.
    pub(crate) fn matrices(&self) -> usize {
        self.batch.iter().product()
    }
}

#[cold]
fn scalar_operand(index: usize) -> OpError {
    OpError::shape(format!("input {index}: expected at least one axis, got a scalar"))
}

/// The products, each element summed in the order of k by `add_product(sum, a, b)`.
pub(crate) fn product<A: Copy, B: Copy, C: Copy + Default>(
    shape: &ProductShape,
    a: &[A],
    b: &[B],
    add_product: impl Fn(C, A, B) -> C,
) -> Vec<C> {
    let ProductShape { m, k, n, .. } = *shape;
    let mut c = vec![C::default(); shape.matrices() * m * n];
    if n == 0 {
        return c;
    }
    for (at, (pa, pb)) in shape.pairs().enumerate() {
        let (a, b) = (&a[pa * m * k..][..m * k], &b[pb * k * n..][..k * n]);
        for (i, row) in c[at * m * n..][..m * n].chunks_exact_mut(n).enumerate() {
            for (p, b) in b.chunks_exact(n).enumerate() {
                let a = a[i * k + p];
                row.iter_mut().zip(b).for_each(|(c, &b)| *c = add_product(*c, a, b));
            }
        }
    }
    c
}

/// The last two axes of `matrices` matrices swapped.
pub(crate) fn transposed<T: Copy>(data: &[T], rows: usize, cols: usize) -> Vec<T> {
    let mut out = Vec::with_capacity(data.len());
    if rows * cols == 0 {
        return out;
    }
    for matrix in data.chunks_exact(rows * cols) {
        for col in 0..cols {
            out.extend((0..rows).map(|row| matrix[row * cols + col]));
        }
    }
    out
}

/// Shape of the product of two symbolic shapes.
pub(crate) fn product_dims(a: &Shape, b: &Shape) -> Result<Shape, OpError> {
    let (ad, bd) = (a.dims(), b.dims());
    let (a_batch, m, k) = match ad {
        [] => return Err(scalar_operand(0)),
        [k] => (&[][..], None, k),
        [batch @ .., m, k] => (batch, Some(m), k),
    };
    let (b_batch, b_k, n) = match bd {
        [] => return Err(scalar_operand(1)),
        [k] => (&[][..], k, None),
        [batch @ .., k, n] => (batch, k, Some(n)),
    };
    if k.equal(b_k) == Some(false) {
        return Err(OpError::shape(format!("inner sizes differ: {a} has {k}, {b} has {b_k}")));
    }
    let batches: [Shape; 2] = [a_batch.iter().cloned().collect(), b_batch.iter().cloned().collect()];
    let mut shape =
        Shape::broadcast(&[&batches[0], &batches[1]]).map_err(|e| OpError::shape(e.to_string()))?;
    shape.extend(m.into_iter().chain(n).cloned());
    Ok(shape)
}

/// Shape of the product of two inputs, while both are known.
pub(crate) fn infer_product(cx: &InferCx<'_>, a: usize, b: usize) -> Result<Option<Shape>, OpError> {
    let (Some(a), Some(b)) = (cx.shape(a), cx.shape(b)) else { return Ok(None) };
    product_dims(a, b).map(Some)
}

/// Multiply-accumulates: elements of output 0 times the inner size, which is the last axis of input `a`.
pub(crate) fn product_cost(io: &Signature<'_>, a: usize) -> Cost {
    let elements = io.output_shape(0).map_or(Dim::Unknown, Shape::numel);
    let inner = io.input_shape(a).and_then(|s| s.dims().last().cloned()).unwrap_or(Dim::Unknown);
    Cost::of_macs(io, elements.mul(&inner))
}

/// Rows come from A, columns from B, batch axes from both.
pub(crate) fn product_axes(io: &Signature<'_>, a: usize, b: usize) -> AxisMap {
    let mut map = AxisMap::opaque(io);
    let (Some(a_shape), Some(b_shape)) = (io.input_shape(a), io.input_shape(b)) else { return map };
    let (ra, rb) = (a_shape.rank(), b_shape.rank());
    let (has_m, has_n) = (usize::from(ra > 1), usize::from(rb > 1));
    let Some(roles) = map.outputs.first_mut() else { return map };
    let rank = roles.len();
    let Some(batch) = rank.checked_sub(has_m + has_n) else { return map };
    let source = |shape: &Shape, batch_rank: usize, axis: usize| {
        let own = (axis + batch_rank).checked_sub(batch)?;
        (shape.get(own) != Some(&Dim::Fixed(1))).then_some(own)
    };
    for (axis, role) in roles.iter_mut().enumerate() {
        let mut sources = Vec::new();
        if axis < batch {
            sources.extend(source(a_shape, ra.saturating_sub(2), axis).map(|own| (a, own)));
            sources.extend(source(b_shape, rb.saturating_sub(2), axis).map(|own| (b, own)));
        } else if axis == batch && has_m == 1 {
            sources.push((a, ra - 2));
        } else {
            sources.push((b, rb - 1));
        }
        *role = AxisRole::Independent(sources);
    }
    if ra > 0 && rb > 0 {
        map.reduced = vec![(a, ra - 1), (b, rb.saturating_sub(2))];
    }
    map
}
