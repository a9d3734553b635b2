//! `LinearAttention`: <https://onnx.ai/onnx/operators/onnx__LinearAttention.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, attribute_enum, declare_op};
use lehr_tensor::Tensor;

use crate::heads::{Heads, floats, head_count, heads_shape, infer_heads, limit, scale_or_default};

attribute_enum! {
    /// How the state changes with one position.
    pub enum UpdateRule {
        /// `S + k⊗v`.
        Linear = "linear",
        /// `exp(g)·S + k⊗v`.
        Gated = "gated",
        /// `S + β·k⊗(v − Sᵀk)`.
        Delta = "delta",
        /// `exp(g)·S + β·k⊗(v − exp(g)·Sᵀk)`.
        GatedDelta = "gated_delta",
    }
}

declare_op! {
    /// Attention without softmax: a state of keys ⊗ values per head is updated position by position and read as
    /// `scale·qᵀS`.
    ///
    /// Inputs: query, key, value (batch, positions, heads·features), past state (batch, key heads, key features, value
    /// features), decay g (one per key head or per key feature), beta (one per key head or one). Outputs: the readings,
    /// and the last state in the type of the past one.
    pub struct LinearAttention("", "LinearAttention", 27) inputs(3, 6) outputs(1, 2) flags() {
        /// A hint for the speed.
        chunk_size: i64 = 64,
        /// Heads of keys and values.
        kv_num_heads: i64,
        /// Heads of queries: a multiple of `kv_num_heads`.
        q_num_heads: i64,
        /// Factor of the readings; 0 for 1/√features.
        scale: f32 = 0.0,
        /// How the state changes.
        update_rule: UpdateRule = UpdateRule::GatedDelta,
    }
}

impl LinearAttention {
    fn gated(&self) -> bool {
        matches!(self.update_rule, UpdateRule::Gated | UpdateRule::GatedDelta)
    }

    fn corrected(&self) -> bool {
        matches!(self.update_rule, UpdateRule::Delta | UpdateRule::GatedDelta)
    }

    /// A decay or beta belongs exactly to the rules that read it.
    fn check_presence(&self, has_decay: bool, has_beta: bool) -> Result<(), OpError> {
        for (index, has, wants) in [(4, has_decay, self.gated()), (5, has_beta, self.corrected())] {
            if wants && !has {
                return Err(OpError::MissingInput { index });
            }
            if has && !wants {
                return Err(OpError::value(format!(
                    "input {index} has no meaning for the update rule {:?}",
                    self.update_rule
                )));
            }
        }
        Ok(())
    }
}

impl Op for LinearAttention {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        self.check_presence(cx.has_input(4), cx.has_input(5))?;
        let dtype = cx.dtype(0)?;
        let q = infer_heads(cx, 0, "q_num_heads", Some(self.q_num_heads))?;
        let v = infer_heads(cx, 2, "kv_num_heads", Some(self.kv_num_heads))?;
        let shapes = q.zip(v).map(|([b, h, n, dk], [_, kh, _, dv])| {
            let y = heads_shape(true, [b.clone(), h, n, dv.clone()]);
            (y, [b, kh, dk, dv].into_iter().collect())
        });
        let (y, state) = shapes.unzip();
        cx.set_tensor(0, dtype, y);
        let state_dtype = if cx.has_input(3) { cx.dtype(3)? } else { dtype };
        let state = state.or_else(|| cx.shape(3).cloned());
        cx.set_tensor(1, state_dtype, state);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (decay, beta) = (cx.optional_tensor(4)?, cx.optional_tensor(5)?);
        self.check_presence(decay.is_some(), beta.is_some())?;
        let heads = head_count("q_num_heads", Some(self.q_num_heads))?;
        let kv_heads = head_count("kv_num_heads", Some(self.kv_num_heads))?;
        if !heads.is_multiple_of(kv_heads) {
            return Err(OpError::attribute(
                "q_num_heads",
                format!("expected a multiple of {kv_heads}, got {heads}"),
            ));
        }
        let q = Heads::packed(cx.tensor(0)?, 0, heads)?;
        let k = Heads::packed(cx.tensor(1)?, 1, kv_heads)?;
        let v = Heads::packed(cx.tensor(2)?, 2, kv_heads)?;
        let ([batch, _, n, dk], dv) = (q.dims, v.dims[3]);
        if k.dims != [batch, kv_heads, n, dk] || v.dims[..3] != [batch, kv_heads, n] {
            return Err(OpError::shape(format!(
                "queries {:?}, keys {:?} and values {:?} do not fit each other",
                q.dims, k.dims, v.dims
            )));
        }
        let past = cx.optional_tensor(3)?;
        let mut state = match past {
            Some(past) if *past.shape() != [batch, kv_heads, dk, dv] => {
                return Err(OpError::shape(format!(
                    "input 3: expected shape {:?}, got {:?}",
                    [batch, kv_heads, dk, dv],
                    past.shape()
                )));
            }
            Some(past) => Heads::of(past, 3)?,
            None => Heads::zeros([batch, kv_heads, dk, dv], limit(cx))?,
        };
        let decay = decay.map(|t| PerHead::new(t, 4, [batch, n], &[kv_heads, kv_heads * dk])).transpose()?;
        let beta = beta.map(|t| PerHead::new(t, 5, [batch, n], &[kv_heads, 1])).transpose()?;

        let scale = scale_or_default(Some(self.scale), dk);
        let group = heads / kv_heads;
        let mut y = Heads::zeros([batch, heads, n, dv], limit(cx))?;
        for b in 0..batch {
            for h in 0..kv_heads {
                for i in 0..n {
                    if let Some(decay) = &decay {
                        for d in 0..dk {
                            let factor = decay.at(b, i, h, kv_heads, d).exp();
                            state.row_mut(b, h, d).iter_mut().for_each(|s| *s *= factor);
                        }
                    }
                    let (key, mut value) = (k.row(b, h, i), v.row(b, h, i).to_vec());
                    if let Some(beta) = &beta {
                        let beta = beta.at(b, i, h, kv_heads, 0);
                        let stored = read(&state, b, h, key);
                        value.iter_mut().zip(stored).for_each(|(v, s)| *v = beta * (*v - s));
                    }
                    for (d, &x) in key.iter().enumerate() {
                        state.row_mut(b, h, d).iter_mut().zip(&value).for_each(|(s, v)| *s += x * v);
                    }
                    for head in h * group..(h + 1) * group {
                        let reading = read(&state, b, h, q.row(b, head, i));
                        y.row_mut(b, head, i).iter_mut().zip(reading).for_each(|(o, r)| *o = scale * r);
                    }
                }
            }
        }
        let dtype = cx.tensor(0)?.dtype();
        cx.set(0, y.to_packed(dtype)?);
        cx.set(1, state.to_tensor(past.map_or(dtype, Tensor::dtype))?);
        Ok(())
    }
}

/// `Sᵀx` for one head.
fn read(state: &Heads, batch: usize, head: usize, x: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; state.dims[3]];
    for (d, &x) in x.iter().enumerate() {
        out.iter_mut().zip(state.row(batch, head, d)).for_each(|(o, s)| *o += x * s);
    }
    out
}

/// Numbers per batch entry and position: one for all heads, one per head, or one per feature of each head.
struct PerHead {
    data: Vec<f64>,
    positions: usize,
    width: usize,
}

impl PerHead {
    fn new(
        tensor: &Tensor,
        index: usize,
        [batch, positions]: [usize; 2],
        widths: &[usize],
    ) -> Result<Self, OpError> {
        match *tensor.shape() {
            [b, n, width] if b == batch && n == positions && widths.contains(&width) => {
                Ok(Self { data: floats(tensor, index)?, positions, width })
            }
            _ => Err(OpError::shape(format!(
                "input {index}: expected shape [{batch}, {positions}, one of {widths:?}], got {:?}",
                tensor.shape()
            ))),
        }
    }

    fn at(&self, batch: usize, position: usize, head: usize, heads: usize, feature: usize) -> f64 {
        let within = match self.width {
            1 => 0,
            width if width == heads => head,
            width => head * (width / heads) + feature,
        };
        self.data[(batch * self.positions + position) * self.width + within]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn the_delta_rule_replaces_what_a_key_stored() {
        // With β = 1 and unit keys, a key's second value overwrites its first.
        let op = LinearAttention {
            chunk_size: 64,
            kv_num_heads: 1,
            q_num_heads: 1,
            scale: 1.0,
            update_rule: UpdateRule::Delta,
        };
        let ones = f32s(&[1, 2, 1], &[1.0, 1.0]);
        Case::new(op)
            .input(ones.clone())
            .input(ones.clone())
            .input(f32s(&[1, 2, 1], &[3.0, 5.0]))
            .input(f32s(&[1, 1, 1, 1], &[7.0]))
            .absent()
            .input(ones)
            .expect_all(vec![f32s(&[1, 2, 1], &[3.0, 5.0]).into(), f32s(&[1, 1, 1, 1], &[5.0]).into()]);
    }

    #[test]
    fn a_gate_needs_a_decay() {
        let op = LinearAttention {
            chunk_size: 64,
            kv_num_heads: 1,
            q_num_heads: 1,
            scale: 0.0,
            update_rule: UpdateRule::Gated,
        };
        let x = f32s(&[1, 1, 1], &[1.0]);
        Case::new(op).input(x.clone()).input(x.clone()).input(x).expect_error("input 4 is missing");
    }
}
