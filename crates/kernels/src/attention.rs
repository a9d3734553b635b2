//! Scaled dot-product attention of `f32`, `softmax(scale · Q·Kᵀ + mask) · V` for each head.
//!
//! Keys and values of a head are packed once into panels; then a block of queries goes through both products while its
//! scores stay in the cache, so the matrix of all scores never exists. Rows are divided by their sums behind the second
//! product. After Dao et al., "FlashAttention", 2022, without its running maximum: a block holds whole rows of scores.

use std::ops::Range;

use crate::ShapeError;
use crate::gemm::{A, Block, MR, NR, Stage, StageBias, TileF32, best_tile, k_blocks};
use crate::isa::{Isa, SimdOp};
use crate::math;
use crate::simd::{F32Simd, LANES};
use crate::team::{Parts, Team};

/// Scores of a block: half of a second-level cache of 256 KiB.
const BLOCK_SCORES: usize = 32 * 1024;
/// Most queries of a block.
const BLOCK_QUERIES: usize = 16 * MR;
/// Tasks per thread, so that a thread which is held up is helped.
const TASKS_PER_THREAD: usize = 4;
/// Queries of a task below which packing the keys again for each task costs too much.
const TASK_QUERIES: usize = 8 * MR;
/// Multiply-adds below which waking the team costs more than it gains.
const ALONE_BELOW: usize = 200_000;

/// Sizes of an attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionShape {
    /// Independent entries.
    pub batch: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values; a divisor of `heads`: head `h` uses number `h / (heads / kv_heads)`.
    pub kv_heads: usize,
    /// Positions of queries.
    pub queries: usize,
    /// Positions of keys and values.
    pub keys: usize,
    /// Features of a query and of a key.
    pub features: usize,
    /// Features of a value.
    pub value_features: usize,
}

/// Where the rows of an operand begin, in elements; the features of a row are next to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadStrides {
    /// From one entry of the batch to the next.
    pub batch: usize,
    /// From one head to the next.
    pub head: usize,
    /// From one position to the next.
    pub row: usize,
}

impl HeadStrides {
    /// The layout `[batch, heads, positions, features]`.
    #[must_use]
    pub fn heads_first(heads: usize, positions: usize, features: usize) -> Self {
        HeadStrides { batch: heads * positions * features, head: positions * features, row: features }
    }

    /// The layout `[batch, positions, heads, features]`.
    #[must_use]
    pub fn positions_first(heads: usize, positions: usize, features: usize) -> Self {
        HeadStrides { batch: heads * positions * features, head: features, row: heads * features }
    }

    fn start(self, batch: usize, head: usize, row: usize) -> usize {
        batch * self.batch + head * self.head + row * self.row
    }

    /// Whether all rows lie inside of `len` elements.
    fn covers(self, [batch, heads, rows, features]: [usize; 4], len: usize) -> bool {
        if [batch, heads, rows, features].contains(&0) {
            return true;
        }
        let last = |count: usize, stride: usize| (count - 1).checked_mul(stride);
        let ends = [last(batch, self.batch), last(heads, self.head), last(rows, self.row), Some(features)];
        let end = ends.into_iter().try_fold(0usize, |sum, part| sum.checked_add(part?));
        end.is_some_and(|end| end <= len)
    }
}

/// What is added to the scores: rows of one number for each key. A stride of zero repeats.
#[derive(Debug, Clone, Copy)]
pub struct Mask<'a> {
    /// The numbers.
    pub data: &'a [f32],
    /// Where the row of a query begins.
    pub strides: HeadStrides,
}

/// Operands of an attention.
#[derive(Debug, Clone, Copy)]
pub struct Attention<'a> {
    shape: AttentionShape,
    /// Queries.
    pub q: (&'a [f32], HeadStrides),
    /// Keys.
    pub k: (&'a [f32], HeadStrides),
    /// Values.
    pub v: (&'a [f32], HeadStrides),
    /// Added to the scaled scores; a query whose scores are all `-∞` gives zeros.
    pub mask: Option<Mask<'a>>,
    /// Factor of the scores.
    pub scale: f32,
    /// Query `i` sees keys `0..=i` only.
    pub causal: bool,
}

impl<'a> Attention<'a> {
    /// An attention without a mask, in which all queries see all keys.
    ///
    /// # Errors
    /// No keys, heads that do not divide into those of keys, or sizes that do not fit the address space.
    pub fn new(
        shape: AttentionShape,
        q: (&'a [f32], HeadStrides),
        k: (&'a [f32], HeadStrides),
        v: (&'a [f32], HeadStrides),
        scale: f32,
    ) -> Result<Self, ShapeError> {
        let AttentionShape { heads, kv_heads, .. } = shape;
        for (what, size) in [("heads of keys", kv_heads), ("positions of keys", shape.keys)] {
            if size == 0 {
                return Err(ShapeError::Zero { what });
            }
        }
        if !heads.is_multiple_of(kv_heads) {
            return Err(ShapeError::NotMultiple { what: "heads of queries", got: heads, of: kv_heads });
        }
        if scratch_each(&shape).is_none() {
            return Err(ShapeError::TooLarge { what: "scratch of an attention" });
        }
        Ok(Attention { shape, q, k, v, mask: None, scale, causal: false })
    }
}

/// Queries of a block.
fn block_queries(shape: &AttentionShape) -> usize {
    let fitting = BLOCK_SCORES / shape.keys.next_multiple_of(NR).max(1) / MR * MR;
    fitting.clamp(MR, BLOCK_QUERIES)
}

/// Elements of packed keys, packed values and scores of a block.
fn parts(shape: &AttentionShape) -> Option<[usize; 3]> {
    let keys = shape.keys.checked_next_multiple_of(NR)?;
    let values = shape.value_features.checked_next_multiple_of(NR)?;
    let packed_keys = keys.checked_mul(shape.features)?;
    let packed_values = values.checked_mul(shape.keys)?;
    Some([packed_keys, packed_values, keys.checked_add(NR)?.checked_mul(block_queries(shape))?])
}

fn scratch_each(shape: &AttentionShape) -> Option<usize> {
    let [keys, values, scores] = parts(shape)?;
    // On cache lines of their own.
    keys.checked_add(values)?.checked_add(scores)?.checked_next_multiple_of(NR)
}

/// Scratch values that [`attention`] needs; `None` if they do not fit the address space.
#[must_use]
pub fn attention_scratch_len(team: &Team, shape: &AttentionShape) -> Option<usize> {
    scratch_each(shape)?.checked_mul(team.threads())
}

/// Computes the attention into the rows of `y`, whose other elements are untouched.
///
/// # Panics
/// If a slice is too short for its sizes, or `scratch` is shorter than [`attention_scratch_len`].
pub fn attention(
    team: &Team,
    isa: Isa,
    attention: &Attention<'_>,
    y: &mut [f32],
    y_strides: HeadStrides,
    scratch: &mut [f32],
) {
    let shape = attention.shape;
    let AttentionShape { batch, heads, kv_heads, queries, keys, features, value_features } = shape;
    let (q, k, v) = (attention.q, attention.k, attention.v);
    assert!(q.1.covers([batch, heads, queries, features], q.0.len()), "queries exceed their slice");
    assert!(k.1.covers([batch, kv_heads, keys, features], k.0.len()), "keys exceed their slice");
    assert!(v.1.covers([batch, kv_heads, keys, value_features], v.0.len()), "values exceed their slice");
    assert!(y_strides.covers([batch, heads, queries, value_features], y.len()), "results exceed their slice");
    if let Some(mask) = attention.mask {
        assert!(
            mask.strides.covers([batch, heads, queries, keys], mask.data.len()),
            "mask exceeds its slice"
        );
    }
    let each = scratch_each(&shape).unwrap_or(usize::MAX);
    assert!(scratch.len() / team.threads() >= each, "scratch of {} is too short", scratch.len());
    let units = batch * heads;
    if units == 0 || queries == 0 || value_features == 0 {
        return;
    }
    let work = units.saturating_mul(queries).saturating_mul(keys).saturating_mul(features + value_features);
    let alone = team.threads() == 1 || work < ALONE_BELOW;
    let wanted = if alone { 1 } else { (team.threads() * TASKS_PER_THREAD).div_ceil(units) };
    let cuts = wanted.min(queries.div_ceil(TASK_QUERIES)).max(1);
    let (y, scratch) = (Parts::new(y), Parts::new(scratch));
    let body = |worker: usize, task: usize| {
        let (unit, cut) = (task / cuts, task % cuts);
        let task = Task {
            attention,
            tile: best_tile(isa),
            batch: unit / heads,
            head: unit % heads,
            queries: crate::gemm::stretch(queries, MR, cut, cuts),
            // SAFETY: no two concurrent tasks have the same worker index.
            scratch: unsafe { scratch.get(worker * each, each) },
            y: y.as_ptr(),
            y_strides,
        };
        // SAFETY: all operands were checked; tasks write different rows.
        unsafe { task.run(isa) };
    };
    if alone {
        return (0..units * cuts).for_each(|task| body(0, task));
    }
    team.parallel_for_worker(units * cuts, body);
}

/// Some queries of a head.
struct Task<'a> {
    attention: &'a Attention<'a>,
    tile: TileF32,
    batch: usize,
    head: usize,
    queries: Range<usize>,
    scratch: &'a mut [f32],
    y: *mut f32,
    y_strides: HeadStrides,
}

impl Task<'_> {
    /// # Safety
    /// The operands cover their sizes, and nobody else accesses these rows of the result.
    unsafe fn run(self, isa: Isa) {
        let Attention { shape, q, k, v, .. } = *self.attention;
        let kv_head = self.head / (shape.heads / shape.kv_heads);
        let [keys_len, values_len, _] = parts(&shape).unwrap_or_default();
        let (packed_keys, rest) = self.scratch.split_at_mut(keys_len);
        let (packed_values, scores) = rest.split_at_mut(values_len);
        let keys = &k.0[k.1.start(self.batch, kv_head, 0)..];
        isa.dispatch(PackKeys {
            keys,
            row: k.1.row,
            count: shape.keys,
            features: shape.features,
            out: packed_keys,
        });
        let values = &v.0[v.1.start(self.batch, kv_head, 0)..];
        pack_values(values, v.1.row, shape.keys, shape.value_features, packed_values);
        // Rows of scores begin on cache lines, spread over the sets of the first-level cache.
        let ldc = shape.keys.next_multiple_of(NR) + NR;
        let mut first = self.queries.start;
        while first < self.queries.end {
            let rows = block_queries(&shape).min(self.queries.end - first);
            let seen = if self.attention.causal { shape.keys.min(first + rows) } else { shape.keys };
            let products = Block {
                rows,
                cols: seen,
                k: shape.features,
                a: A::Rows {
                    start: q.0.as_ptr().wrapping_add(q.1.start(self.batch, self.head, first)),
                    row_stride: q.1.row,
                },
                b: packed_keys.as_ptr(),
                b_panel: shape.features * NR,
                c: scores.as_mut_ptr(),
                ldc,
                stage: Stage { alpha: self.attention.scale, beta: 0.0, bias: StageBias::None, clamp: None },
            };
            // SAFETY: queries and packed keys are in bounds; the scratch holds `rows` rows of `ldc` scores.
            unsafe { self.tile.run(&products) };
            let mut inverse = [0.0; BLOCK_QUERIES];
            for (row, inverse) in inverse.iter_mut().enumerate().take(rows) {
                let query = first + row;
                let own = if self.attention.causal { seen.min(query + 1) } else { seen };
                let mask = self.attention.mask.map(|mask| {
                    let start = mask.strides.start(self.batch, self.head, query);
                    &mask.data[start..start + own]
                });
                let (scores, hidden) = scores[row * ldc..row * ldc + seen].split_at_mut(own);
                *inverse = isa.dispatch(Exponentials { scores, mask });
                hidden.fill(0.0);
            }
            let y = self.y.wrapping_add(self.y_strides.start(self.batch, self.head, first));
            // Stretches of all keys, whatever this block sees, so that the bits do not depend on how queries are cut.
            for k in k_blocks(shape.keys).map(|k| k.start..k.end.min(seen)).take_while(|k| !k.is_empty()) {
                let sums = Block {
                    rows,
                    cols: shape.value_features,
                    k: k.len(),
                    a: A::Rows { start: scores.as_ptr().wrapping_add(k.start), row_stride: ldc },
                    b: packed_values.as_ptr().wrapping_add(k.start * NR),
                    b_panel: shape.keys * NR,
                    c: y,
                    ldc: self.y_strides.row,
                    stage: Stage {
                        alpha: 1.0,
                        beta: if k.start == 0 { 0.0 } else { 1.0 },
                        bias: StageBias::None,
                        clamp: None,
                    },
                };
                // SAFETY: scores and packed values are in bounds, and so are these rows of the result.
                unsafe { self.tile.run(&sums) };
            }
            for (row, &inverse) in inverse.iter().enumerate().take(rows) {
                let start = y.wrapping_add(row * self.y_strides.row);
                // SAFETY: a row of the result.
                let sums = unsafe { std::slice::from_raw_parts_mut(start, shape.value_features) };
                if !isa.dispatch(Scale { row: &mut *sums, factor: inverse }) {
                    let weights = &scores[row * ldc..row * ldc + seen];
                    weigh_again(weights, inverse, values, v.1.row, sums);
                }
            }
            first += rows;
        }
    }
}

/// Packs rows of values as `[value_features / NR][keys][NR]`, zeros behind the last feature.
fn pack_values(values: &[f32], row: usize, count: usize, features: usize, out: &mut [f32]) {
    if count == 0 {
        return;
    }
    for (panel, out) in out.chunks_exact_mut(count * NR).enumerate() {
        let first = panel * NR;
        let width = NR.min(features - first);
        for (key, out) in out.as_chunks_mut::<NR>().0.iter_mut().enumerate() {
            let from = &values[key * row + first..][..width];
            if let Some(from) = from.first_chunk::<NR>() {
                *out = *from;
            } else {
                out[..width].copy_from_slice(from);
                out[width..].fill(0.0);
            }
        }
    }
}

/// Packs rows of keys as columns, `[keys / NR][features][NR]`, zeros behind the last key.
struct PackKeys<'a> {
    keys: &'a [f32],
    row: usize,
    count: usize,
    features: usize,
    out: &'a mut [f32],
}

impl SimdOp for PackKeys<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        let PackKeys { keys, row, count, features, out } = self;
        if features == 0 {
            return;
        }
        for (panel, out) in out.chunks_exact_mut(features * NR).enumerate() {
            for half in 0..NR / LANES {
                let first = panel * NR + half * LANES;
                let valid = LANES.min(count.saturating_sub(first));
                let mut feature = 0;
                if valid == LANES {
                    let source = &keys[first * row..][..(LANES - 1) * row + features];
                    while feature + LANES <= features {
                        let mut rows = [s.splat(0.0); LANES];
                        for (lane, vector) in rows.iter_mut().enumerate() {
                            // SAFETY: LANES features of a row of `source`.
                            *vector = unsafe { s.load(source.as_ptr().add(lane * row + feature)) };
                        }
                        for (at, vector) in s.transpose(rows).into_iter().enumerate() {
                            // SAFETY: LANES values of row `feature + at` of the panel.
                            unsafe {
                                s.store(out.as_mut_ptr().add((feature + at) * NR + half * LANES), vector)
                            };
                        }
                        feature += LANES;
                    }
                }
                for feature in feature..features {
                    for lane in 0..LANES {
                        let value = if lane < valid { keys[(first + lane) * row + feature] } else { 0.0 };
                        out[feature * NR + half * LANES + lane] = value;
                    }
                }
            }
        }
    }
}

/// Makes `e^(x + mask - max)` of a row of scores; gives the inverse of their sum, zero where all are `-∞`.
struct Exponentials<'a> {
    scores: &'a mut [f32],
    mask: Option<&'a [f32]>,
}

impl SimdOp for Exponentials<'_> {
    type Out = f32;

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) -> f32 {
        let Exponentials { scores, mask } = self;
        let mut maxima = s.splat(f32::NEG_INFINITY);
        let (whole, rest) = scores.as_chunks_mut::<LANES>();
        let mut tail = [f32::NEG_INFINITY; LANES];
        tail[..rest.len()].copy_from_slice(rest);
        if let Some(mask) = mask {
            let (mask, mask_rest) = mask[..whole.len() * LANES + rest.len()].as_chunks::<LANES>();
            for (scores, mask) in whole.iter_mut().zip(mask) {
                // SAFETY: arrays of LANES values.
                unsafe {
                    let sum = s.add(s.load(scores.as_ptr()), s.load(mask.as_ptr()));
                    s.store(scores.as_mut_ptr(), sum);
                    maxima = s.max(sum, maxima);
                }
            }
            tail.iter_mut().zip(mask_rest).for_each(|(score, mask)| *score += mask);
        } else {
            for scores in whole.iter() {
                // SAFETY: an array of LANES values.
                maxima = s.max(unsafe { s.load(scores.as_ptr()) }, maxima);
            }
        }
        // SAFETY: an array of LANES values.
        let last = unsafe { s.load(tail.as_ptr()) };
        maxima = s.max(last, maxima);
        let lanes = s.to_array(maxima);
        let max = lanes.into_iter().fold(f32::NEG_INFINITY, f32::max);
        if max == f32::NEG_INFINITY && !lanes.iter().any(|lane| lane.is_nan()) {
            whole.as_flattened_mut().fill(0.0);
            rest.fill(0.0);
            return 0.0;
        }
        let shift = s.splat(max);
        let mut sums = s.splat(0.0);
        for scores in whole.iter_mut() {
            // SAFETY: an array of LANES values.
            unsafe {
                let e = math::exp_of_negative(s, s.sub(s.load(scores.as_ptr()), shift));
                s.store(scores.as_mut_ptr(), e);
                sums = s.add(sums, e);
            }
        }
        let mut e = s.to_array(math::exp_of_negative(s, s.sub(last, shift)));
        e[rest.len()..].fill(0.0);
        rest.copy_from_slice(&e[..rest.len()]);
        // SAFETY: an array of LANES values.
        sums = s.add(sums, unsafe { s.load(e.as_ptr()) });
        1.0 / s.sum(sums)
    }
}

/// Multiplies a row by a number; gives whether all of it is finite.
struct Scale<'a> {
    row: &'a mut [f32],
    factor: f32,
}

impl SimdOp for Scale<'_> {
    type Out = bool;

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) -> bool {
        let factor = s.splat(self.factor);
        let mut zeros = s.splat(0.0);
        let (whole, rest) = self.row.as_chunks_mut::<LANES>();
        for values in whole {
            // SAFETY: an array of LANES values.
            unsafe {
                let scaled = s.mul(s.load(values.as_ptr()), factor);
                s.store(values.as_mut_ptr(), scaled);
                zeros = s.fma(scaled, s.splat(0.0), zeros);
            }
        }
        rest.iter_mut().for_each(|value| *value *= self.factor);
        rest.iter().fold(s.sum(zeros), |sum, value| sum + value * 0.0) == 0.0
    }
}

/// The weighted sum of values, slowly: unlike a product, it lets nothing through of values that have no weight, which may be
/// infinite.
fn weigh_again(weights: &[f32], factor: f32, values: &[f32], row: usize, sums: &mut [f32]) {
    sums.fill(0.0);
    for (key, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
        let values = &values[key * row..][..sums.len()];
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
    }
    sums.iter_mut().for_each(|sum| *sum *= factor);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Guarded, Rng, close};

    /// The definition in `f64`.
    fn oracle(attention: &Attention<'_>, batch: usize, head: usize, query: usize) -> Vec<f64> {
        let Attention { shape, q, k, v, .. } = attention;
        let kv = head / (shape.heads / shape.kv_heads);
        let scores: Vec<f64> = (0..shape.keys)
            .map(|key| {
                if attention.causal && key > query {
                    return f64::NEG_INFINITY;
                }
                let (q, k) = (&q.0[q.1.start(batch, head, query)..], &k.0[k.1.start(batch, kv, key)..]);
                let products = q.iter().zip(k).take(shape.features);
                let sum: f64 = products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                let mask = attention.mask.map_or(0.0, |m| m.data[m.strides.start(batch, head, query) + key]);
                sum * f64::from(attention.scale) + f64::from(mask)
            })
            .collect();
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> =
            scores.iter().map(|x| if max == f64::NEG_INFINITY { 0.0 } else { (x - max).exp() }).collect();
        let sum: f64 = weights.iter().sum();
        (0..shape.value_features)
            .map(|feature| {
                let value = |key| f64::from(v.0[v.1.start(batch, kv, key) + feature]);
                let seen = weights.iter().enumerate().filter(|(_, w)| **w != 0.0);
                let total: f64 = seen.map(|(key, w)| w * value(key)).sum();
                if sum == 0.0 { 0.0 } else { total / sum }
            })
            .collect()
    }

    fn strides(rng: &mut Rng, heads: usize, rows: usize, features: usize) -> HeadStrides {
        if rng.below(2) == 0 {
            HeadStrides::heads_first(heads, rows, features)
        } else {
            HeadStrides::positions_first(heads, rows, features)
        }
    }

    #[test]
    fn random_attentions_equal_the_definition() {
        let teams = [Team::new(1), Team::new(3)];
        for seed in 0..120 {
            let mut rng = Rng::new(seed);
            let kv_heads = 1 + rng.below(2);
            let mut shape = AttentionShape {
                batch: 1 + rng.below(2),
                heads: kv_heads * (1 + rng.below(2)),
                kv_heads,
                queries: 1 + rng.below(30),
                keys: 1 + rng.below(40),
                features: 1 + rng.below(20),
                value_features: 1 + rng.below(36),
            };
            match seed % 20 {
                0 => (shape.queries, shape.keys, shape.features) = (150, 700, 16),
                1 => (shape.queries, shape.keys, shape.features, shape.value_features) = (197, 197, 64, 64),
                _ => {}
            }
            check(&teams, shape, &mut rng, seed);
        }
    }

    fn check(teams: &[Team], shape: AttentionShape, rng: &mut Rng, seed: u64) {
        let AttentionShape { batch, heads, kv_heads, queries, keys, features, value_features } = shape;
        let q = Guarded::random(rng, batch * heads * queries * features);
        let k = Guarded::random(rng, batch * kv_heads * keys * features);
        let v = Guarded::random(rng, batch * kv_heads * keys * value_features);
        let mut numbers = Guarded::random(rng, queries * keys);
        for number in numbers.get_mut() {
            if *number > 0.6 {
                *number = f32::NEG_INFINITY;
            }
        }
        numbers.get_mut()[..keys].fill(f32::NEG_INFINITY);
        let mut v = v;
        if seed.is_multiple_of(5) {
            // Behind a mask that hides the last key, whatever it holds is not seen.
            numbers.get_mut().iter_mut().skip(keys - 1).step_by(keys).for_each(|n| *n = f32::NEG_INFINITY);
            let last = v.get().len() - 1;
            v.get_mut()[last] = f32::INFINITY;
        }
        let q_strides = strides(rng, heads, queries, features);
        let k_strides = strides(rng, kv_heads, keys, features);
        let v_strides = strides(rng, kv_heads, keys, value_features);
        let y_strides = strides(rng, heads, queries, value_features);
        let mut job = Attention::new(
            shape,
            (q.get(), q_strides),
            (k.get(), k_strides),
            (v.get(), v_strides),
            [0.5, 3.0][rng.below(2)],
        )
        .unwrap();
        job.causal = rng.below(3) == 0;
        let strides = HeadStrides { batch: 0, head: 0, row: keys };
        job.mask = (rng.below(2) == 0).then_some(Mask { data: numbers.get(), strides });
        for isa in Isa::supported() {
            let mut bits: Option<Vec<u32>> = None;
            for team in teams {
                let mut y = Guarded::zeros(batch * heads * queries * value_features);
                let mut scratch = Guarded::zeros(attention_scratch_len(team, &shape).unwrap());
                scratch.get_mut().fill(f32::NAN);
                attention(team, isa, &job, y.get_mut(), y_strides, scratch.get_mut());
                y.assert_guards();
                scratch.assert_guards();
                for at in 0..batch * heads * queries {
                    let (b, h, i) = (at / queries / heads, at / queries % heads, at % queries);
                    let got = &y.get()[y_strides.start(b, h, i)..][..value_features];
                    let want = oracle(&job, b, h, i);
                    let same = got.iter().zip(&want).all(|(g, w)| close(*g, *w as f32, 2e-5));
                    assert!(same, "seed {seed} at {b},{h},{i}: {got:?} != {want:?}");
                }
                let now: Vec<u32> = y.get().iter().map(|y| y.to_bits()).collect();
                assert!(bits.as_ref().is_none_or(|bits| *bits == now), "seed {seed}: bits depend on threads");
                bits = Some(now);
            }
        }
    }

    #[test]
    fn sizes_that_do_not_fit() {
        let shape = AttentionShape {
            batch: 1,
            heads: 3,
            kv_heads: 2,
            queries: 1,
            keys: 1,
            features: 1,
            value_features: 1,
        };
        let operand = (&[0.0; 3][..], HeadStrides::heads_first(3, 1, 1));
        let new = |shape| Attention::new(shape, operand, operand, operand, 1.0);
        assert!(matches!(new(shape), Err(ShapeError::NotMultiple { got: 3, of: 2, .. })));
        assert!(matches!(new(AttentionShape { kv_heads: 0, ..shape }), Err(ShapeError::Zero { .. })));
        let huge = AttentionShape { kv_heads: 3, keys: usize::MAX / 8, ..shape };
        assert!(matches!(new(huge), Err(ShapeError::TooLarge { .. })));
    }
}
