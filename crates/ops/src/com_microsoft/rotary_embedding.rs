//! `RotaryEmbedding`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.RotaryEmbedding>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::infer_same;
use crate::heads::Heads;
use crate::rotary_embedding::{Angles, rotate, rotated_features};

declare_op! {
    /// Rotates pairs of features of every head by an angle that depends on the position, as the operator of that name in
    /// the default domain.
    ///
    /// Inputs: X (batch, positions, heads·features; or batch, heads, positions, features), positions (batch × positions,
    /// or the first position), tables of cosines and sines (positions × pairs).
    pub struct RotaryEmbedding("com.microsoft", "RotaryEmbedding", 1) inputs(4, 4) outputs(1, 1) flags() {
        /// A pair is two neighbours, instead of one of each half.
        interleaved: bool = false,
        /// Batch entries of different lengths in one row (not handled).
        is_packed_batching: bool = false,
        /// Heads, for X of rank 3; by default as many as the tables ask for.
        num_heads: i64 = 0,
        /// How many of the first features of a head rotate; 0 for all.
        rotary_embedding_dim: i64 = 0,
        /// A factor without meaning on the CPU.
        scale: f32 = 1.0,
    }
}

impl Op for RotaryEmbedding {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        if self.is_packed_batching {
            return Err(OpError::Unsupported("packed batches in com.microsoft::RotaryEmbedding".into()));
        }
        let (x, cos) = (cx.tensor(0)?, cx.tensor(2)?);
        let mut heads = match *x.shape() {
            [_, _, hidden] => {
                let size = cos.shape().last().copied().unwrap_or(0).saturating_mul(2);
                let count = match usize::try_from(self.num_heads) {
                    Ok(count) if count > 0 => count,
                    _ => hidden.checked_div(size).unwrap_or(0),
                };
                Heads::packed(x, 0, count)?
            }
            _ => Heads::of(x, 0)?,
        };
        let [batch, _, positions, size] = heads.dims;
        let rotated = rotated_features(self.rotary_embedding_dim, size)?;
        let ids = match cx.ints(1)? {
            ids if ids.len() == batch * positions && cx.tensor(1)?.rank() == 2 => ids,
            ids => match ids[..] {
                [first] => {
                    let count = i64::try_from(positions).unwrap_or(i64::MAX);
                    (0..batch).flat_map(|_| (0..count).map(|i| first.saturating_add(i))).collect()
                }
                _ => {
                    return Err(OpError::shape(format!(
                        "input 1: expected 1 or {batch} × {positions} positions, got shape {:?}",
                        cx.tensor(1)?.shape()
                    )));
                }
            },
        };
        let angles = Angles::new(cos, cx.tensor(3)?, [batch, positions], rotated / 2, Some(ids))?;
        rotate(&mut heads, &angles, rotated, self.interleaved);
        let y = if x.rank() == 3 { heads.to_packed(x.dtype())? } else { heads.to_tensor(x.dtype())? };
        cx.set(0, y);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    // Numbers of ONNX Runtime.
    #[test]
    fn counts_from_the_first_position() {
        Case::new(RotaryEmbedding {
            interleaved: false,
            is_packed_batching: false,
            num_heads: 0,
            rotary_embedding_dim: 0,
            scale: 1.0,
        })
        .input(f32s(&[1, 2, 4], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]))
        .input(i64s(&[1], &[1]))
        .input(f32s(&[3, 2], &[1.0, 1.0, 0.0, 0.0, 0.5, 0.5]))
        .input(f32s(&[3, 2], &[0.0, 0.0, 1.0, 1.0, 0.2, 0.3]))
        .expect(f32s(&[1, 2, 4], &[-3.0, -4.0, 1.0, 2.0, 1.1, 0.6, 4.5, 5.8]));
    }
}
