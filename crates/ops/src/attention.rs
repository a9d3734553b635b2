//! `Attention`: <https://onnx.ai/onnx/operators/onnx__Attention.html>

use lehr_graph::{Cost, Dim, EvalCx, InferCx, Op, OpError, Signature, WriteCx, declare_op};
use lehr_tensor::{DataType, Tensor, Wide};

use crate::elementwise::BroadcastIndex;
use crate::heads::{self, Heads, heads_shape, infer_heads, limit, scale_or_default, softmax};

declare_op! {
    /// `softmax(softcap(scale·Q·Kᵀ) + bias)·V` per head; heads of keys and values may be shared by groups of query
    /// heads.
    ///
    /// Inputs: Q, K, V (batch, heads, positions, features; or rank 3 with heads·features last), mask (bool: true takes
    /// part; else added; padded with -∞ at the end), past key and value (put in front of K and V), number of keys that
    /// are no padding per batch entry. Outputs: Y, present key and value, scores.
    /// Query i stands at position `p = offset + i`; offset is the past length, or nonpad − queries. A causal query sees
    /// keys up to p, a window those within `p − left ..= p + right`. A query that sees no key gives zeros.
    pub struct Attention("", "Attention", 25) inputs(3, 7) outputs(1, 4) flags() {
        /// Largest distance to the right; -1 for no bound.
        right_window_size: i64 = -1,
        /// Largest distance to the left; -1 for no bound.
        left_window_size: i64 = -1,
        /// What output 3 is: scaled scores (0), after softcap (1), with the bias (2), after softmax (3).
        qk_matmul_output_mode: i64 = 0,
        /// `c·tanh(x/c)` on the scores; 0 for none.
        softcap: f32 = 0.0,
        /// Type that the softmax is computed in.
        softmax_precision: Option<DataType> = None,
        /// Heads of keys and values, for inputs of rank 3.
        kv_num_heads: Option<i64> = None,
        /// Heads of queries, for inputs of rank 3.
        q_num_heads: Option<i64> = None,
        /// Factor of the scores; 1/√features by default.
        scale: Option<f32> = None,
        /// Queries see no later keys.
        is_causal: bool = false,
    }
}

impl Op for Attention {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let (dtype, v_dtype) = (cx.dtype(0)?, cx.dtype(2)?);
        let q = infer_heads(cx, 0, "q_num_heads", self.q_num_heads)?;
        let k = infer_heads(cx, 1, "kv_num_heads", self.kv_num_heads)?;
        let v = infer_heads(cx, 2, "kv_num_heads", self.kv_num_heads)?;
        let packed = cx.rank(0) == Some(3);
        let past = match (cx.has_input(4), cx.shape(4)) {
            (false, _) => Dim::Fixed(0),
            (true, shape) => shape.and_then(|s| s.get(2)).cloned().unwrap_or(Dim::Unknown),
        };
        let y = q.as_ref().zip(v.as_ref()).map(|([b, h, n, _], [.., size])| {
            heads_shape(packed, [b.clone(), h.clone(), n.clone(), size.clone()])
        });
        cx.set_tensor(0, dtype, y);
        let grown = |dims: &[Dim; 4]| {
            let [b, h, n, size] = dims.clone();
            heads_shape(false, [b, h, past.add(&n), size])
        };
        cx.set_tensor(1, dtype, k.as_ref().map(grown));
        cx.set_tensor(2, v_dtype, v.as_ref().map(grown));
        let qk = q.zip(k).map(|([b, h, n, _], [_, _, m, _])| heads_shape(false, [b, h, n, past.add(&m)]));
        cx.set_tensor(3, dtype, qk);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        self.check()?;
        let (q_tensor, v_tensor) = (cx.tensor(0)?, cx.tensor(2)?);
        let q = self.split(q_tensor, 0, "q_num_heads", self.q_num_heads)?;
        let mut k = self.split(cx.tensor(1)?, 1, "kv_num_heads", self.kv_num_heads)?;
        let mut v = self.split(v_tensor, 2, "kv_num_heads", self.kv_num_heads)?;
        let mut past = None;
        match (cx.optional_tensor(4)?, cx.optional_tensor(5)?) {
            (None, None) => {}
            (Some(key), Some(value)) => {
                let key = Heads::of(key, 4)?;
                past = Some(key.dims[2]);
                k = key.followed_by(&k)?;
                v = Heads::of(value, 5)?.followed_by(&v)?;
            }
            (Some(_), None) => return Err(OpError::MissingInput { index: 5 }),
            (None, Some(_)) => return Err(OpError::MissingInput { index: 4 }),
        }
        let nonpad = cx.optional_ints(6)?;
        if nonpad.is_some() && past.is_some() {
            return Err(OpError::value(
                "past keys and the number of keys without padding exclude each other",
            ));
        }
        let seen = Visible::new(self, &q, &k, past, nonpad)?;

        let dtype = q_tensor.dtype();
        let scale = scale_or_default(self.scale, q.dims[3]);
        let mut qk = heads::scores(&q, &k, scale, limit(cx))?;
        let mut shown = (self.qk_matmul_output_mode == 0).then(|| qk.clone());
        if self.softcap > 0.0 {
            let cap = f64::from(self.softcap);
            qk.data.iter_mut().for_each(|x| *x = cap * (*x / cap).tanh());
        }
        if self.qk_matmul_output_mode == 1 {
            shown = Some(qk.clone());
        }
        let bias = seen.bias(qk.dims, cx.optional_tensor(3)?)?;
        qk.data.iter_mut().zip(&bias).for_each(|(x, b)| *x += b);
        if self.qk_matmul_output_mode == 2 {
            shown = Some(qk.clone());
        }
        if let Some(precision) = self.softmax_precision {
            qk = qk.rounded(precision)?;
        }
        let keys = qk.dims[3].max(1);
        for (row, bias) in qk.data.chunks_mut(keys).zip(bias.chunks(keys)) {
            // Decided by the bias: a masked position stays masked whatever its score is.
            if bias.iter().all(|&b| b == f64::NEG_INFINITY) { row.fill(0.0) } else { softmax(row) }
        }
        let y = heads::weigh(&qk, &v, limit(cx))?;

        let packed = q_tensor.rank() == 3;
        cx.set(0, if packed { y.to_packed(dtype)? } else { y.to_tensor(dtype)? });
        cx.set(1, k.to_tensor(dtype)?);
        cx.set(2, v.to_tensor(v_tensor.dtype())?);
        cx.set(3, shown.unwrap_or(qk).to_tensor(dtype)?);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        let hidden = |index| io.input_shape(index).map(lehr_graph::Shape::numel);
        let keys = io.input_shape(1).and_then(|s| s.get(s.rank().checked_sub(2)?)).cloned();
        let Some((q, y, m)) =
            hidden(0).zip(io.output_shape(0)).zip(keys).map(|((q, y), m)| (q, y.numel(), m))
        else {
            return Cost::of_traffic(io);
        };
        Cost::of_macs(io, q.add(&y).mul(&m))
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        if cx.opset() >= 25 {
            return Ok(());
        }
        for (name, value) in
            [("left_window_size", self.left_window_size), ("right_window_size", self.right_window_size)]
        {
            if value != -1 {
                return Err(OpError::Unsupported(format!("opset {} has no '{name}'", cx.opset())));
            }
            cx.attributes_mut().remove(name);
        }
        Ok(())
    }
}

impl Attention {
    fn check(&self) -> Result<(), OpError> {
        for (name, value) in
            [("left_window_size", self.left_window_size), ("right_window_size", self.right_window_size)]
        {
            if value < -1 {
                return Err(OpError::attribute(name, format!("expected -1 or a distance, got {value}")));
            }
        }
        if !(0..=3).contains(&self.qk_matmul_output_mode) {
            let got = self.qk_matmul_output_mode;
            return Err(OpError::attribute("qk_matmul_output_mode", format!("expected 0 to 3, got {got}")));
        }
        Ok(())
    }

    fn split(&self, x: &Tensor, index: usize, name: &str, count: Option<i64>) -> Result<Heads, OpError> {
        if x.rank() == 3 {
            Heads::packed(x, index, heads::head_count(name, count)?)
        } else {
            Heads::of(x, index)
        }
    }
}

/// Which keys a query sees by its position.
struct Visible {
    causal: bool,
    left: Option<i64>,
    right: Option<i64>,
    /// Position of the first query, per batch entry.
    offsets: Vec<i64>,
    /// Number of keys, per batch entry.
    limits: Vec<i64>,
}

impl Visible {
    fn new(
        op: &Attention,
        q: &Heads,
        k: &Heads,
        past: Option<usize>,
        nonpad: Option<Vec<i64>>,
    ) -> Result<Self, OpError> {
        let signed = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let batch = q.dims[0];
        let (offsets, limits) = match nonpad {
            Some(lengths) if lengths.len() != batch => {
                return Err(OpError::shape(format!(
                    "input 6: expected {batch} lengths, got {}",
                    lengths.len()
                )));
            }
            Some(lengths) => {
                let offsets = lengths.iter().map(|n| n.saturating_sub(signed(q.dims[2]))).collect();
                (offsets, lengths)
            }
            None => (vec![signed(past.unwrap_or(0)); batch], vec![signed(k.dims[2]); batch]),
        };
        let bound = |size: i64| (size >= 0).then_some(size);
        Ok(Self {
            causal: op.is_causal,
            left: bound(op.left_window_size),
            right: bound(op.right_window_size),
            offsets,
            limits,
        })
    }

    fn sees(&self, batch: usize, query: i64, key: i64) -> bool {
        let position = self.offsets[batch].saturating_add(query);
        key < self.limits[batch]
            && (!self.causal || key <= position)
            && self.left.is_none_or(|left| position.saturating_sub(key) <= left)
            && self.right.is_none_or(|right| key.saturating_sub(position) <= right)
    }

    /// What is added to the scores of the given sizes.
    fn bias(&self, dims: [usize; 4], mask: Option<&Tensor>) -> Result<Vec<f64>, OpError> {
        let mut bias = match mask {
            Some(mask) => mask_bias(mask, dims)?,
            None => vec![0.0; dims.iter().product()],
        };
        let [batch, heads, n, m] = dims;
        let mut at = 0;
        for b in 0..batch {
            for _ in 0..heads {
                for i in 0..n as i64 {
                    for j in 0..m as i64 {
                        if !self.sees(b, i, j) {
                            bias[at] = f64::NEG_INFINITY;
                        }
                        at += 1;
                    }
                }
            }
        }
        Ok(bias)
    }
}

/// A mask as numbers to be added, broadcast to the scores; its last axis may be shorter.
fn mask_bias(mask: &Tensor, dims: [usize; 4]) -> Result<Vec<f64>, OpError> {
    let values = match mask.widen() {
        Wide::B(values) => values.iter().map(|&on| if on { 0.0 } else { f64::NEG_INFINITY }).collect(),
        _ => mask.to_f64s()?,
    };
    let (shape, values) = padded(mask.shape(), values, dims[3])?;
    let fits = shape.len() <= 4 && shape.iter().rev().zip(dims.iter().rev()).all(|(&s, &d)| s == d || s == 1);
    if !fits {
        return Err(OpError::shape(format!(
            "the mask of shape {:?} does not broadcast to {dims:?}",
            mask.shape()
        )));
    }
    Ok(BroadcastIndex::new(&shape, &dims).map(|at| values[at]).collect())
}

/// Lengthens the last axis to `keys` with -∞.
fn padded(shape: &[usize], values: Vec<f64>, keys: usize) -> Result<(Vec<usize>, Vec<f64>), OpError> {
    let mut shape = shape.to_vec();
    let Some(last) = shape.last_mut() else { return Ok((shape, values)) };
    let own = *last;
    if own >= keys || own == 1 && keys > 0 && values.len() == 1 {
        return Ok((shape, values));
    }
    *last = keys;
    let rows = shape.iter().rev().skip(1).product::<usize>();
    let mut out = Vec::with_capacity(rows * keys);
    for row in 0..rows {
        out.extend_from_slice(&values[row * own..(row + 1) * own]);
        out.resize((row + 1) * keys, f64::NEG_INFINITY);
    }
    Ok((shape, out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    fn plain() -> Attention {
        Attention {
            right_window_size: -1,
            left_window_size: -1,
            qk_matmul_output_mode: 0,
            softcap: 0.0,
            softmax_precision: None,
            kv_num_heads: None,
            q_num_heads: None,
            scale: Some(1.0),
            is_causal: false,
        }
    }

    #[test]
    fn shares_key_heads_and_hides_the_future() {
        // Equal scores: each query gives the mean of the values it sees.
        let q = f32s(&[1, 2, 2, 1], &[0.0; 4]);
        let k = f32s(&[1, 1, 2, 1], &[1.0, 2.0]);
        let v = f32s(&[1, 1, 2, 1], &[4.0, 8.0]);
        Case::new(Attention { is_causal: true, ..plain() })
            .input(q)
            .input(k)
            .input(v)
            .expect(f32s(&[1, 2, 2, 1], &[4.0, 6.0, 4.0, 6.0]));
    }

    #[test]
    fn a_query_without_keys_gives_zeros() {
        let row = f32s(&[1, 1, 2, 1], &[1.0, 1.0]);
        let mask = Tensor::from_vec(&[2, 2], vec![false, false, true, false]).unwrap();
        Case::new(plain())
            .input(row.clone())
            .input(row)
            .input(f32s(&[1, 1, 2, 1], &[3.0, f32::INFINITY]))
            .input(mask)
            .expect(f32s(&[1, 1, 2, 1], &[0.0, 3.0]));
    }

    #[test]
    fn windows_count_from_the_valid_keys() {
        let q = f32s(&[1, 1, 1], &[0.0]);
        let v = f32s(&[1, 4, 1], &[1.0, 2.0, 4.0, 100.0]);
        let op = Attention {
            left_window_size: 1,
            is_causal: true,
            q_num_heads: Some(1),
            kv_num_heads: Some(1),
            ..plain()
        };
        Case::new(op)
            .input(q)
            .input(v.clone())
            .input(v)
            .absent()
            .absent()
            .absent()
            .input(i64s(&[1], &[3]))
            .expect(f32s(&[1, 1, 1], &[3.0]));
    }
}
