//! `RotaryEmbedding`: <https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html>

use lehr_graph::{Builder, EvalCx, InferCx, Op, OpError, ValueId, declare_op};
use lehr_tensor::Tensor;

use crate::add::Add;
use crate::concat::Concat;
use crate::elementwise::infer_same;
use crate::gather::Gather;
use crate::heads::{Heads, floats, head_count};
use crate::mul::Mul;
use crate::reshape::Reshape;
use crate::slice::Slice;
use crate::split::Split;
use crate::sub::Sub;
use crate::transpose::Transpose;
use crate::unsqueeze::Unsqueeze;

declare_op! {
    /// Rotates pairs of features of every head by an angle that depends on the position:
    /// `(x₁·cos − x₂·sin, x₁·sin + x₂·cos)`.
    ///
    /// Inputs: X (batch, heads, positions, features; or rank 3 with heads·features last), cosines and sines (a table of
    /// positions × pairs when input 3 gives positions, else batch × positions × pairs), positions (batch × positions).
    pub struct RotaryEmbedding("", "RotaryEmbedding", 23) inputs(3, 4) outputs(1, 1) flags() {
        /// Heads, for X of rank 3.
        num_heads: Option<i64> = None,
        /// How many of the first features of a head rotate; 0 for all.
        rotary_embedding_dim: i64 = 0,
        /// A pair is two neighbours, instead of one of each half.
        interleaved: bool = false,
    }
}

impl Op for RotaryEmbedding {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let mut heads = match x.rank() {
            3 => Heads::packed(x, 0, head_count("num_heads", self.num_heads)?)?,
            _ => Heads::of(x, 0)?,
        };
        let [batch, _, positions, size] = heads.dims;
        let rotated = rotated_features(self.rotary_embedding_dim, size)?;
        let ids = match cx.optional_tensor(3)? {
            Some(ids) if *ids.shape() != [batch, positions] => {
                return Err(OpError::shape(format!(
                    "input 3: expected shape {:?}, got {:?}",
                    [batch, positions],
                    ids.shape()
                )));
            }
            Some(ids) => Some(ids.to_i64s()?),
            None => None,
        };
        let angles = Angles::new(cx.tensor(1)?, cx.tensor(2)?, [batch, positions], rotated / 2, ids)?;
        rotate(&mut heads, &angles, rotated, self.interleaved);
        let y = if x.rank() == 3 { heads.to_packed(x.dtype())? } else { heads.to_tensor(x.dtype())? };
        cx.set(0, y);
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let x = builder.require(0)?;
        let reshape = Reshape { allowzero: false };
        let swap = Transpose { perm: Some(vec![0, 2, 1, 3]) };
        let rank = builder.rank(x).unwrap_or(0);
        // Both forms become (batch, positions, heads, features).
        let heads = match (rank, self.num_heads) {
            (3, Some(count)) => {
                let sizes = builder.vector(&[0, 0, count, -1]);
                builder.call(reshape.clone(), &[x, sizes])?
            }
            (4, _) => builder.call(swap.clone(), &[x])?,
            _ => return Ok(false),
        };
        let (turning, rest) = match self.rotary_embedding_dim {
            0 => (heads, None),
            n => (features(builder, heads, 0, n, 1)?, Some(features(builder, heads, n, i64::MAX, 1)?)),
        };
        let (cos, sin) = (angle_rows(builder, 1)?, angle_rows(builder, 2)?);
        let turned = turn(builder, turning, [cos, sin], self.interleaved)?;
        let parts: Vec<_> = std::iter::once(turned).chain(rest).collect();
        let heads = if parts.len() > 1 { builder.call(Concat { axis: -1 }, &parts)? } else { turned };
        let y = if rank == 4 {
            builder.call(swap, &[heads])?
        } else {
            let sizes = builder.vector(&[0i64, 0, -1]);
            builder.call(reshape, &[heads, sizes])?
        };
        builder.output(0, y);
        Ok(true)
    }
}

/// Features `start..end` in steps, of the last axis.
fn features(builder: &mut Builder, x: ValueId, start: i64, end: i64, step: i64) -> Result<ValueId, OpError> {
    let (start, end) = (builder.vector(&[start]), builder.vector(&[end]));
    let (axis, step) = (builder.vector(&[-1i64]), builder.vector(&[step]));
    builder.call(Slice {}, &[x, start, end, axis, step])
}

/// The table of input `index` as (batch, positions, 1, pairs).
fn angle_rows(builder: &mut Builder, index: usize) -> Result<ValueId, OpError> {
    let mut rows = builder.require(index)?;
    if let Some(ids) = builder.input(3) {
        rows = builder.call(Gather { axis: 0 }, &[rows, ids])?;
    }
    let axis = builder.vector(&[2i64]);
    builder.call(Unsqueeze {}, &[rows, axis])
}

/// Turns the pairs of the last of four axes.
fn turn(
    builder: &mut Builder,
    x: ValueId,
    [cos, sin]: [ValueId; 2],
    interleaved: bool,
) -> Result<ValueId, OpError> {
    let (first, second) = if interleaved {
        (features(builder, x, 0, i64::MAX, 2)?, features(builder, x, 1, i64::MAX, 2)?)
    } else {
        let halves = builder.call_n(Split { axis: -1, num_outputs: Some(2) }, &[Some(x)], 2)?;
        (halves[0], halves[1])
    };
    let product = |builder: &mut Builder, a, b| builder.call(Mul {}, &[a, b]);
    let (a, b) = (product(builder, first, cos)?, product(builder, second, sin)?);
    let (c, d) = (product(builder, first, sin)?, product(builder, second, cos)?);
    let mut halves = [builder.call(Sub {}, &[a, b])?, builder.call(Add {}, &[c, d])?];
    if !interleaved {
        return builder.call(Concat { axis: -1 }, &halves);
    }
    let axis = builder.vector(&[-1i64]);
    for half in &mut halves {
        *half = builder.call(Unsqueeze {}, &[*half, axis])?;
    }
    let pairs = builder.call(Concat { axis: -1 }, &halves)?;
    let sizes = builder.vector(&[0i64, 0, 0, -1]);
    builder.call(Reshape { allowzero: false }, &[pairs, sizes])
}

/// How many features of a head of `size` rotate, for an attribute in which 0 stands for all.
pub(crate) fn rotated_features(asked: i64, size: usize) -> Result<usize, OpError> {
    let rotated = if asked == 0 { size } else { usize::try_from(asked).unwrap_or(usize::MAX) };
    if rotated > size || !rotated.is_multiple_of(2) {
        return Err(OpError::attribute(
            "rotary_embedding_dim",
            format!("expected an even number up to the {size} features of a head, got {rotated}"),
        ));
    }
    Ok(rotated)
}

/// Cosines and sines for each batch entry and position.
pub(crate) struct Angles {
    cos: Vec<f64>,
    sin: Vec<f64>,
    /// Row of the tables for each batch entry and position.
    rows: Vec<usize>,
    positions: usize,
    pairs: usize,
}

impl Angles {
    /// From tables of `pairs` columns with `ids` naming their rows, or from one row per batch entry and position.
    pub(crate) fn new(
        cos: &Tensor,
        sin: &Tensor,
        [batch, positions]: [usize; 2],
        pairs: usize,
        ids: Option<Vec<i64>>,
    ) -> Result<Self, OpError> {
        let n = batch * positions;
        for (index, table) in [(1, cos), (2, sin)] {
            let expected = if ids.is_some() { 2 } else { 3 };
            let fits = table.rank() == expected
                && table.shape().last() == Some(&pairs)
                && (ids.is_some() || table.shape()[..2] == [batch, positions]);
            if !fits || table.shape() != cos.shape() {
                return Err(OpError::shape(format!(
                    "input {index}: expected rank {expected} with {pairs} columns, got shape {:?}",
                    table.shape()
                )));
            }
        }
        let known = cos.shape().first().copied().unwrap_or(0);
        let rows = match ids {
            None => (0..n).collect(),
            Some(ids) => ids.into_iter().map(|id| table_row(id, known)).collect::<Result<_, _>>()?,
        };
        Ok(Self { cos: floats(cos, 1)?, sin: floats(sin, 2)?, rows, positions, pairs })
    }

    fn at(&self, batch: usize, position: usize) -> (&[f64], &[f64]) {
        let at = self.rows[batch * self.positions + position] * self.pairs;
        (&self.cos[at..at + self.pairs], &self.sin[at..at + self.pairs])
    }
}

/// A position as the row of a table; a negative one counts from the end.
fn table_row(id: i64, known: usize) -> Result<usize, OpError> {
    let signed = i64::try_from(known).unwrap_or(i64::MAX);
    let row = if id < 0 { id.saturating_add(signed) } else { id };
    match usize::try_from(row) {
        Ok(row) if row < known => Ok(row),
        _ => Err(OpError::value(format!("position {id} is outside the table of {known} rows"))),
    }
}

/// Rotates the first `rotated` features of every head.
pub(crate) fn rotate(heads: &mut Heads, angles: &Angles, rotated: usize, interleaved: bool) {
    let [batch, count, positions, _] = heads.dims;
    for b in 0..batch {
        for h in 0..count {
            for i in 0..positions {
                let (cos, sin) = angles.at(b, i);
                let row = heads.row_mut(b, h, i);
                for (p, (c, s)) in cos.iter().zip(sin).enumerate() {
                    let (first, second) = if interleaved { (2 * p, 2 * p + 1) } else { (p, p + rotated / 2) };
                    let (x, y) = (row[first], row[second]);
                    row[first] = c * x - s * y;
                    row[second] = s * x + c * y;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn rotates_halves_or_neighbours() {
        // A quarter turn of each pair; the last two features stay.
        let x = f32s(&[1, 1, 1, 6], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        for (interleaved, y) in
            [(false, [-3.0, -4.0, 1.0, 2.0, 5.0, 6.0]), (true, [-2.0, 1.0, -4.0, 3.0, 5.0, 6.0])]
        {
            Case::new(RotaryEmbedding { num_heads: None, rotary_embedding_dim: 4, interleaved })
                .input(x.clone())
                .input(f32s(&[2, 2], &[1.0, 1.0, 0.0, 0.0]))
                .input(f32s(&[2, 2], &[0.0, 0.0, 1.0, 1.0]))
                .input(i64s(&[1, 1], &[1]))
                .expect(f32s(&[1, 1, 1, 6], &y));
        }
    }
}
