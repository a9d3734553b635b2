//! What the attention operators of ONNX Runtime share: masks of padded keys, biases, hidden futures, and the step from
//! scores to outputs.

use lehr_graph::OpError;
use lehr_tensor::Tensor;

use crate::elementwise::BroadcastIndex;
use crate::heads::{Heads, floats, softmax, weigh};

/// Added to the score of a masked key by default.
pub(crate) const MASKED: f32 = -10_000.0;

/// Adds `filter` to the scores of masked keys. The mask is one of:
/// - `[batch]`: number of keys; `[2·batch]`: ends, then starts of the keys; `[3·batch + 2]`: numbers of keys first;
/// - `[batch, keys]`, `[batch, queries, keys]`: 0 where masked;
/// - `[batch, 1, positions, positions]`: the same by the position of query and key.
pub(crate) fn mask_keys(
    scores: &mut Heads,
    mask: &Tensor,
    index: usize,
    filter: f32,
    past: usize,
) -> Result<(), OpError> {
    let [batch, heads, queries, keys] = scores.dims;
    let misfit = || {
        OpError::shape(format!(
            "input {index}: a mask of shape {:?} does not fit scores of shape {:?}",
            mask.shape(),
            scores.dims
        ))
    };
    let values = mask.to_i64s()?;
    // First and one behind the last key of each batch entry.
    let span = |ends: &[i64], starts: &[i64], b: usize, j: usize| {
        let j = j as i64;
        j < ends[b] && starts.get(b).is_none_or(|&start| j >= start)
    };
    type Visible<'a> = Box<dyn Fn(usize, usize, usize) -> bool + 'a>;
    let visible: Visible<'_> = match *mask.shape() {
        [n] if n == batch || n == 3 * batch + 2 => Box::new(|b, _, j| span(&values, &[], b, j)),
        [n] if n == 2 * batch => Box::new(|b, _, j| span(&values[..batch], &values[batch..], b, j)),
        [b, m] if b == batch && m == keys => Box::new(move |b, _, j| values[b * keys + j] > 0),
        [b, n, m] if b == batch && n == queries && m == keys => {
            Box::new(move |b, i, j| values[(b * queries + i) * keys + j] > 0)
        }
        [b, 1, n, m] if b == batch && n >= past + queries && m >= keys => {
            Box::new(move |b, i, j| values[(b * n + past + i) * m + j] > 0)
        }
        _ => return Err(misfit()),
    };
    let hidden: Vec<_> = (0..batch * queries * keys)
        .map(|at| !visible(at / keys / queries, at / keys % queries, at % keys))
        .collect();
    for b in 0..batch {
        for h in 0..heads {
            for i in 0..queries {
                let hidden = &hidden[(b * queries + i) * keys..][..keys];
                let row = scores.row_mut(b, h, i);
                row.iter_mut().zip(hidden).filter(|(_, h)| **h).for_each(|(s, _)| *s += f64::from(filter));
            }
        }
    }
    Ok(())
}

/// Hides keys behind the position of each query, of which the first stands at `past`.
pub(crate) fn hide_future(scores: &mut Heads, past: usize) {
    let [.., queries, keys] = scores.dims;
    if keys == 0 {
        return;
    }
    for (at, row) in scores.data.chunks_mut(keys).enumerate() {
        let position = past + at % queries;
        row.iter_mut().skip(position + 1).for_each(|s| *s = f64::NEG_INFINITY);
    }
}

/// Adds a bias that broadcasts to the scores.
pub(crate) fn add_bias(scores: &mut Heads, bias: Option<&Tensor>, index: usize) -> Result<(), OpError> {
    let Some(bias) = bias else { return Ok(()) };
    let fits = bias.rank() <= 4
        && bias.shape().iter().rev().zip(scores.dims.iter().rev()).all(|(&b, &s)| b == s || b == 1);
    if !fits {
        return Err(OpError::shape(format!(
            "input {index}: a bias of shape {:?} does not broadcast to {:?}",
            bias.shape(),
            scores.dims
        )));
    }
    let values = floats(bias, index)?;
    let places = BroadcastIndex::new(bias.shape(), &scores.dims);
    scores.data.iter_mut().zip(places).for_each(|(s, at)| *s += values[at]);
    Ok(())
}

/// Softmax of every row, in place.
pub(crate) fn softmax_rows(scores: &mut Heads) {
    let keys = scores.dims[3].max(1);
    scores.data.chunks_mut(keys).for_each(softmax);
}

/// Softmax of the scores, and the values weighed with it.
pub(crate) fn attend(mut scores: Heads, v: &Heads, max_bytes: usize) -> Result<(Heads, Heads), OpError> {
    softmax_rows(&mut scores);
    let y = weigh(&scores, v, max_bytes)?;
    Ok((y, scores))
}
