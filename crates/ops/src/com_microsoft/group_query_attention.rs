//! `GroupQueryAttention`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.GroupQueryAttention>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, declare_op};
use lehr_tensor::Tensor;

use super::masks::add_bias;
use crate::heads::{Heads, floats, head_count, limit, scale_or_default, scores, weigh};
use crate::rotary_embedding::{Angles, rotate};
use crate::window_function::scalar_size;

declare_op! {
    /// Causal attention with a cache of keys and values, in which groups of query heads share a head of keys.
    ///
    /// Inputs: query (batch, positions, heads·features; or with keys and values behind it in the last axis), key, value,
    /// past key and value (batch, key heads, cache positions, features), number of keys less one per batch entry, the
    /// largest number of keys, tables of cosines and sines, positions, bias of the scores, a term per head in the divisor
    /// of the softmax, scales of a quantised cache (not handled), weights that normalise queries and keys, number of
    /// valid queries. Outputs: Y, present key and value (as long as the past or the largest number of keys), scores.
    ///
    /// With T keys and S queries, the first query stands at T − S, or at 0 when the largest number of keys is S.
    pub struct GroupQueryAttention("com.microsoft", "GroupQueryAttention", 1) inputs(7, 17) outputs(1, 4) flags() {
        /// A query sees no later keys.
        causal: bool = true,
        /// Rotate queries and keys by their position.
        do_rotary: bool = false,
        /// ε of the normalisation of keys, instead of the common one.
        k_norm_epsilon: Option<f32> = None,
        /// How cached keys are quantised; only `NONE` is handled.
        k_quant_type: String = "NONE".into(),
        /// Bits of a quantised cache.
        kv_cache_bit_width: Option<i64> = None,
        /// Heads of keys and values.
        kv_num_heads: i64,
        /// How many keys up to its own a query sees; -1 for all.
        local_window_size: i64 = -1,
        /// Heads of queries.
        num_heads: i64,
        /// ε of the normalisation of queries, instead of the common one.
        q_norm_epsilon: Option<f32> = None,
        /// ε of the normalisation of queries and keys.
        qk_norm_epsilon: f32 = 1e-6,
        /// What output 3 is: nothing (0), scores before (1) or after (2) the softmax.
        qk_output: i64 = 0,
        /// A rotated pair is two neighbours, instead of one of each half.
        rotary_interleaved: bool = false,
        /// Factor of the scores; 1/√features by default.
        scale: Option<f32> = None,
        /// A cache of the size of the window (not handled).
        sliding_window_cache: bool = false,
        /// 1: the divisor of the softmax has one more term, 1.
        smooth_softmax: i64 = -1,
        /// `c·tanh(x/c)` on the scores; 0 for none.
        softcap: f32 = 0.0,
        /// How cached values are quantised; only `NONE` is handled.
        v_quant_type: String = "NONE".into(),
    }
}

impl GroupQueryAttention {
    fn check(&self, cx: &EvalCx<'_>) -> Result<(), OpError> {
        let quantised = self.k_quant_type != "NONE" || self.v_quant_type != "NONE";
        if quantised || self.sliding_window_cache || cx.datum(12).is_some() || cx.datum(13).is_some() {
            return Err(OpError::Unsupported(
                "quantised and window-sized caches in GroupQueryAttention".into(),
            ));
        }
        Ok(())
    }

    /// Queries, keys and values.
    fn parts(&self, cx: &EvalCx<'_>) -> Result<[Heads; 3], OpError> {
        let heads = head_count("num_heads", Some(self.num_heads))?;
        let kv_heads = head_count("kv_num_heads", Some(self.kv_num_heads))?;
        let query = cx.tensor(0)?;
        if let Some(key) = cx.optional_tensor(1)? {
            let q = Heads::packed(query, 0, heads)?;
            return Ok([q, Heads::packed(key, 1, kv_heads)?, Heads::packed(cx.tensor(2)?, 2, kv_heads)?]);
        }
        let all = Heads::packed(query, 0, heads.saturating_add(kv_heads.saturating_mul(2)))?;
        let [batch, total, n, size] = all.dims;
        let part = |from: usize, count: usize| {
            let blocks =
                (0..batch).flat_map(|b| (from..from + count).map(move |h| (b * total + h) * n * size));
            let data = blocks.flat_map(|at| all.data[at..at + n * size].iter().copied()).collect();
            Heads { data, dims: [batch, count, n, size] }
        };
        Ok([part(0, heads), part(heads, kv_heads), part(heads + kv_heads, kv_heads)])
    }
}

impl Op for GroupQueryAttention {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let heads = Dim::Fixed(head_count("num_heads", Some(self.num_heads))? as u64);
        let kv_heads = Dim::Fixed(head_count("kv_num_heads", Some(self.kv_num_heads))? as u64);
        let dim = |index: usize, axis: usize| -> Dim {
            cx.shape(index).and_then(|s| s.get(axis)).cloned().unwrap_or(Dim::Unknown)
        };
        let (batch, n) = (dim(0, 0), dim(0, 1));
        let all = if cx.has_input(1) { heads.clone() } else { heads.add(&kv_heads.mul(&Dim::Fixed(2))) };
        let size = dim(0, 2).div_exact(&all);
        let total = cx.known(6).and_then(|v| v.sole().map(|t| t.to_dim())).unwrap_or(Dim::Unknown);
        let cache = if cx.has_input(3) { dim(3, 2).maximum(&total) } else { total.clone() };
        let y: Shape = [batch.clone(), n.clone(), heads.mul(&size)].into_iter().collect();
        let present: Shape = [batch.clone(), kv_heads, cache, size].into_iter().collect();
        let cache_dtype = if cx.has_input(3) { cx.dtype(3)? } else { dtype };
        cx.set_tensor(0, dtype, Some(y));
        cx.set_tensor(1, cache_dtype, Some(present.clone()));
        cx.set_tensor(2, cache_dtype, Some(present));
        cx.set_tensor(3, dtype, Some([batch, heads, n, total].into_iter().collect()));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        self.check(cx)?;
        let dtype = cx.tensor(0)?.dtype();
        let [mut q, mut k, v] = self.parts(cx)?;
        if q.dims[0] != k.dims[0] || k.dims != v.dims || q.dims[2] != k.dims[2] {
            return Err(OpError::shape(format!(
                "queries {:?}, keys {:?} and values {:?} do not fit each other",
                q.dims, k.dims, v.dims
            )));
        }
        if let (Some(q_weight), Some(k_weight)) = (cx.optional_tensor(14)?, cx.optional_tensor(15)?) {
            normalize(&mut q, q_weight, 14, self.q_norm_epsilon.unwrap_or(self.qk_norm_epsilon))?;
            normalize(&mut k, k_weight, 15, self.k_norm_epsilon.unwrap_or(self.qk_norm_epsilon))?;
        }
        let largest = scalar_size(cx, 6)?;
        let places = Places::new(cx, q.dims[0], q.dims[2], largest)?;
        if self.do_rotary {
            self.rotate_both(cx, &mut q, &mut k, &places)?;
        }
        let past =
            |index: usize| cx.optional_tensor(index).and_then(|t| t.map(|t| Heads::of(t, index)).transpose());
        let (past_k, past_v) = (past(3)?, past(4)?);
        let length = past_k.as_ref().map_or(0, |p| p.dims[2]).max(largest);
        let k = places.cached(past_k, &k, length, limit(cx))?;
        let v = places.cached(past_v, &v, length, limit(cx))?;

        // The cache may be longer than the keys in use.
        let (seen_k, seen_v) = (first_rows(&k, largest), first_rows(&v, largest));
        let mut qk = scores(&q, &seen_k, scale_or_default(self.scale, q.dims[3]), limit(cx))?;
        if self.softcap > 0.0 {
            let cap = f64::from(self.softcap);
            qk.data.iter_mut().for_each(|x| *x = cap * (*x / cap).tanh());
        }
        add_bias(&mut qk, cx.optional_tensor(10)?, 10)?;
        self.hide(&mut qk, &places);
        let mut shown = (self.qk_output == 1).then(|| qk.clone());
        let sinks = match cx.optional_tensor(11)? {
            Some(sinks) => {
                crate::operand::check_shape(11, sinks, &[q.dims[1]])?;
                Some(floats(sinks, 11)?)
            }
            None => (self.smooth_softmax == 1).then(|| vec![0.0; q.dims[1]]),
        };
        let [_, heads, n, keys] = qk.dims;
        for (at, row) in qk.data.chunks_mut(keys.max(1)).enumerate() {
            let sink = sinks.as_ref().and_then(|s| s.get(at / n.max(1) % heads)).copied();
            softmax_with_sink(row, sink);
        }
        let y = weigh(&qk, &seen_v, limit(cx))?;
        cx.set(0, y.to_packed(dtype)?);
        cx.set(1, k.to_tensor(dtype)?);
        cx.set(2, v.to_tensor(dtype)?);
        if self.qk_output != 0 {
            cx.set(3, shown.take().unwrap_or(qk).to_tensor(dtype)?);
        }
        Ok(())
    }
}

impl GroupQueryAttention {
    fn rotate_both(&self, cx: &EvalCx<'_>, q: &mut Heads, k: &mut Heads, at: &Places) -> Result<(), OpError> {
        let (cos, sin) = (cx.tensor(7)?, cx.tensor(8)?);
        let pairs = cos.shape().last().copied().unwrap_or(0);
        let rotated = pairs.saturating_mul(2);
        if rotated > q.dims[3] {
            return Err(OpError::shape(format!(
                "input 7: expected at most {} pairs of features, got {pairs}",
                q.dims[3] / 2
            )));
        }
        let ids = match cx.optional_ints(9)? {
            Some(ids) if ids.len() == at.starts.len() * at.queries => ids,
            _ => at.positions(),
        };
        // Padded queries stand behind the table; their rows have no meaning.
        let rows = i64::try_from(cos.shape().first().copied().unwrap_or(0)).unwrap_or(i64::MAX);
        let ids = ids.into_iter().map(|id| id.min(rows - 1)).collect();
        let angles = Angles::new(cos, sin, [at.starts.len(), at.queries], pairs, Some(ids))?;
        rotate(q, &angles, rotated, self.rotary_interleaved);
        rotate(k, &angles, rotated, self.rotary_interleaved);
        Ok(())
    }

    /// Hides what a query must not see: missing keys, later keys, keys in front of the window.
    fn hide(&self, qk: &mut Heads, at: &Places) {
        let [batch, heads, n, _] = qk.dims;
        let window = usize::try_from(self.local_window_size).ok();
        for b in 0..batch {
            for h in 0..heads {
                for i in 0..n {
                    let position = at.starts[b] + i;
                    let seen = |j: usize| {
                        j < at.totals[b]
                            && (!self.causal || j <= position)
                            && window.is_none_or(|w| position < j.saturating_add(w))
                    };
                    let row = qk.row_mut(b, h, i).iter_mut().enumerate();
                    row.filter(|(j, _)| !seen(*j)).for_each(|(_, s)| *s = f64::NEG_INFINITY);
                }
            }
        }
    }
}

/// Where the queries of each batch entry stand.
struct Places {
    /// Position of the first query.
    starts: Vec<usize>,
    /// Number of keys, with the new ones.
    totals: Vec<usize>,
    /// Number of queries that are no padding.
    valid: Vec<usize>,
    queries: usize,
}

impl Places {
    fn new(cx: &EvalCx<'_>, batch: usize, queries: usize, largest: usize) -> Result<Self, OpError> {
        let lengths = cx.ints(5)?;
        if lengths.len() != batch {
            return Err(OpError::shape(format!("input 5: expected {batch} lengths, got {}", lengths.len())));
        }
        let counts = cx.optional_ints(16)?;
        let mut places = Self { starts: Vec::new(), totals: Vec::new(), valid: Vec::new(), queries };
        for (b, length) in lengths.into_iter().enumerate() {
            let total = length.checked_add(1).and_then(|t| usize::try_from(t).ok()).filter(|&t| t <= largest);
            let total = total.ok_or_else(|| {
                OpError::value(format!("input 5: expected a length below {largest}, got {length}"))
            })?;
            let valid = match counts.as_ref().map(|c| c.get(b).copied().and_then(|c| usize::try_from(c).ok()))
            {
                None => queries,
                Some(Some(count)) if count <= queries => count,
                Some(_) => return Err(OpError::value(format!("input 16: expected up to {queries} queries"))),
            };
            let start =
                if counts.is_none() && largest == queries { Some(0) } else { total.checked_sub(valid) };
            let start = start.ok_or_else(|| {
                OpError::value(format!("{total} keys are fewer than the {valid} queries of batch entry {b}"))
            })?;
            places.starts.push(start);
            places.totals.push(total);
            places.valid.push(valid);
        }
        Ok(places)
    }

    /// Position of every query.
    fn positions(&self) -> Vec<i64> {
        let position = |start: usize, i: usize| i64::try_from(start + i).unwrap_or(i64::MAX);
        self.starts.iter().flat_map(|&s| (0..self.queries).map(move |i| position(s, i))).collect()
    }

    /// A cache of `length` positions: the past in front of each first query, then the new rows, then zeros.
    fn cached(&self, past: Option<Heads>, new: &Heads, length: usize, most: usize) -> Result<Heads, OpError> {
        let [batch, heads, _, size] = new.dims;
        let mut out = Heads::zeros([batch, heads, length, size], most)?;
        if let Some(past) = past.as_ref().filter(|p| p.dims[..2] != [batch, heads] || p.dims[3] != size) {
            return Err(OpError::shape(format!(
                "a past of shape {:?} does not fit new rows of shape {:?}",
                past.dims, new.dims
            )));
        }
        for b in 0..batch {
            let start = self.starts[b];
            if start > 0 && past.as_ref().is_none_or(|p| p.dims[2] < start) {
                return Err(OpError::value(format!(
                    "batch entry {b} continues {start} positions without a past"
                )));
            }
            for h in 0..heads {
                for i in 0..start {
                    if let Some(past) = &past {
                        out.row_mut(b, h, i).copy_from_slice(past.row(b, h, i));
                    }
                }
                for i in (0..self.valid[b]).take_while(|i| start + i < length) {
                    out.row_mut(b, h, start + i).copy_from_slice(new.row(b, h, i));
                }
            }
        }
        Ok(out)
    }
}

/// Only the first `len` rows of every head.
fn first_rows(x: &Heads, len: usize) -> Heads {
    let [b, h, n, size] = x.dims;
    let kept = n.min(len);
    let blocks = (0..b * h).map(|block| &x.data[block * n * size..][..kept * size]);
    Heads { data: blocks.flatten().copied().collect(), dims: [b, h, kept, size] }
}

/// Divides every row by its root mean square and multiplies by the weight.
fn normalize(x: &mut Heads, weight: &Tensor, index: usize, epsilon: f32) -> Result<(), OpError> {
    let size = x.dims[3];
    crate::operand::check_shape(index, weight, &[size])?;
    let weight = floats(weight, index)?;
    for row in x.data.chunks_mut(size.max(1)) {
        let square = row.iter().map(|v| v * v).sum::<f64>() / size as f64;
        let factor = 1.0 / (square + f64::from(epsilon)).sqrt();
        row.iter_mut().zip(&weight).for_each(|(v, w)| *v *= factor * w);
    }
    Ok(())
}

/// Softmax with one more term in the divisor; a row that sees nothing becomes zeros.
fn softmax_with_sink(row: &mut [f64], sink: Option<f64>) {
    let max = row.iter().copied().chain(sink).fold(f64::NEG_INFINITY, f64::max);
    if max == f64::NEG_INFINITY {
        row.fill(0.0);
        return;
    }
    row.iter_mut().for_each(|x| *x = (*x - max).exp());
    let sum: f64 = row.iter().sum::<f64>() + sink.map_or(0.0, |s| (s - max).exp());
    row.iter_mut().for_each(|x| *x /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    fn plain() -> GroupQueryAttention {
        let attributes = [("num_heads", 2), ("kv_num_heads", 1)];
        let attributes = attributes.map(|(n, v)| (n.to_owned(), lehr_graph::Attribute::Int(v)));
        GroupQueryAttention::from_attributes(&attributes.into_iter().collect()).unwrap()
    }

    fn wave(n: usize, f: impl Fn(f64) -> f64) -> Vec<f32> {
        (0..n).map(|i| f(i as f64) as f32).collect()
    }

    fn prompt(op: GroupQueryAttention) -> Case {
        Case::new(op)
            .tolerance(1e-4, 1e-5)
            .input(f32s(&[1, 3, 16], &wave(48, |i| (0.7 * i).sin())))
            .input(f32s(&[1, 3, 8], &wave(24, |i| (0.5 * i).cos())))
            .input(f32s(&[1, 3, 8], &wave(24, |i| 0.1 * i)))
    }

    /// Output 0 at features 0 and 8 of each position.
    #[track_caller]
    fn expect(case: Case, first: &[f64], second: &[f64]) {
        let ways = case.run(1).unwrap();
        let y = ways[0].1[0].as_ref().and_then(|d| d.as_tensor()).unwrap().to_f64s().unwrap();
        for (i, (a, b)) in first.iter().zip(second).enumerate() {
            let (got_a, got_b) = (y[i * 16], y[i * 16 + 8]);
            assert!((got_a - a).abs() < 1e-5 && (got_b - b).abs() < 1e-5, "{i}: {got_a} {got_b}");
        }
    }

    // Numbers of ONNX Runtime.
    #[test]
    fn prompts() {
        let run = |op: GroupQueryAttention, last: i32| {
            prompt(op).absent().absent().input(Tensor::vector(vec![last])).constant(Tensor::scalar(3i32))
        };
        expect(run(plain(), 2), &[0.0, 0.703411, 1.167236], &[0.0, 0.742726, 1.257492]);
        expect(run(plain(), 1), &[0.0, 0.703411, 0.703733], &[0.0, 0.742726, 0.502306]);
        let op = GroupQueryAttention { local_window_size: 2, ..plain() };
        expect(run(op, 2), &[0.0, 0.703411, 1.23924], &[0.0, 0.742726, 1.422679]);
        let op = GroupQueryAttention { softcap: 0.5, ..plain() };
        expect(run(op, 2), &[0.0, 0.578396, 1.009689], &[0.0, 0.582234, 1.056907]);
        let op = GroupQueryAttention { smooth_softmax: 1, ..plain() };
        expect(run(op, 2), &[0.0, 0.544857, 0.936009], &[0.0, 0.562278, 1.010425]);
        let op = GroupQueryAttention { causal: false, ..plain() };
        expect(run(op, 2), &[0.313298, 0.830565, 1.167236], &[0.620048, 0.969086, 1.257492]);
        let sinks = run(plain(), 2).absent().absent().absent().absent().input(f32s(&[2], &[0.5, -1.0]));
        expect(sinks, &[0.0, 0.475348, 0.82942], &[0.0, 0.664298, 1.153712]);
    }

    // Numbers of ONNX Runtime.
    #[test]
    fn one_token_after_a_past_in_a_longer_cache() {
        for cache in [2, 5] {
            let past = |step: f64| {
                let mut values = wave(16, |i| step * i);
                values.resize(cache * 8, 0.0);
                f32s(&[1, 1, cache, 8], &values)
            };
            let case = Case::new(plain())
                .input(f32s(&[1, 1, 16], &wave(16, |i| (0.7 * i).sin())))
                .input(f32s(&[1, 1, 8], &wave(8, |i| (0.5 * i).cos())))
                .input(f32s(&[1, 1, 8], &wave(8, |i| 0.1 * i)))
                .input(past(0.05))
                .input(past(-0.1))
                .input(Tensor::vector(vec![2i32]))
                .constant(Tensor::scalar(3i32));
            expect(case, &[-0.159506], &[-0.280042]);
        }
    }
}
