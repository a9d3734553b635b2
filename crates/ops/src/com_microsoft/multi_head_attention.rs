//! `MultiHeadAttention`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MultiHeadAttention>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, declare_op};
use lehr_tensor::Tensor;

use super::masks::{MASKED, add_bias, attend, hide_future, mask_keys};
use crate::heads::{Heads, floats, head_count, limit, scale_or_default, scores};

declare_op! {
    /// `softmax(scale·Q·Kᵀ + bias)·V` per head.
    ///
    /// Inputs: query (batch, positions, features; or batch, positions, heads, 3, features with keys and values inside),
    /// key (the same; or batch, positions, heads, 2, features with values inside; or batch, heads, positions, features),
    /// value, bias of Q, K and V, mask of keys (see [`mask_keys`](super::masks::mask_keys)), bias of the scores, past key
    /// and value, and two inputs of beam search (not handled). Outputs: Y, present key and value, weights.
    pub struct MultiHeadAttention("com.microsoft", "MultiHeadAttention", 1) inputs(1, 10) outputs(1, 4) flags() {
        /// Added to the scores of masked keys.
        mask_filter_value: f32 = MASKED,
        /// Number of heads.
        num_heads: i64,
        /// Factor of the scores; 1/√features by default.
        scale: Option<f32> = None,
        /// A query sees no later keys.
        unidirectional: bool = false,
    }
}

impl MultiHeadAttention {
    fn infer_parts(&self, cx: &InferCx<'_>) -> Result<Option<[[Dim; 4]; 3]>, OpError> {
        let heads = Dim::Fixed(head_count("num_heads", Some(self.num_heads))? as u64);
        let part = |shape: &Shape| -> Option<[Dim; 4]> {
            match shape.dims() {
                [b, s, hidden] => Some([b.clone(), heads.clone(), s.clone(), hidden.div_exact(&heads)]),
                [b, h, s, size] => Some([b.clone(), h.clone(), s.clone(), size.clone()]),
                [b, s, h, _, size] => Some([b.clone(), h.clone(), s.clone(), size.clone()]),
                _ => None,
            }
        };
        let Some(q) = cx.shape(0).and_then(part) else { return Ok(None) };
        let k = if cx.has_input(1) { cx.shape(1).and_then(part) } else { Some(q.clone()) };
        let Some(k) = k else { return Ok(None) };
        let v = if cx.has_input(2) { cx.shape(2).and_then(part) } else { Some(k.clone()) };
        Ok(v.map(|v| [q, k, v]))
    }

    /// Q, K and V from whichever of the packed forms is there.
    fn parts(&self, cx: &EvalCx<'_>) -> Result<[Heads; 3], OpError> {
        let heads = head_count("num_heads", Some(self.num_heads))?;
        let query = cx.tensor(0)?;
        if query.rank() == 5 {
            let [q, k, v] = <[Heads; 3]>::try_from(unpacked(query, 0)?)
                .map_err(|_| OpError::shape("input 0: expected three parts in axis 3"))?;
            return Ok([q, k, v]);
        }
        let q = split(query, 0, heads)?;
        let key = cx.tensor(1)?;
        if key.rank() == 5 {
            let [k, v] = <[Heads; 2]>::try_from(unpacked(key, 1)?)
                .map_err(|_| OpError::shape("input 1: expected two parts in axis 3"))?;
            return Ok([q, k, v]);
        }
        Ok([q, split(key, 1, heads)?, split(cx.tensor(2)?, 2, heads)?])
    }
}

fn split(x: &Tensor, index: usize, heads: usize) -> Result<Heads, OpError> {
    if x.rank() == 4 { Heads::of(x, index) } else { Heads::packed(x, index, heads) }
}

/// The parts of a tensor of batch, positions, heads, parts and features.
fn unpacked(x: &Tensor, index: usize) -> Result<Vec<Heads>, OpError> {
    let &[batch, positions, heads, parts, size] = x.shape() else {
        return Err(OpError::shape(format!("input {index}: expected rank 5, got shape {:?}", x.shape())));
    };
    let data = floats(x, index)?;
    let part = |which: usize| {
        let rows = 0..batch * positions * heads;
        let part: Vec<f64> =
            rows.flat_map(|row| data[(row * parts + which) * size..][..size].iter().copied()).collect();
        Heads::swapped(&part, [batch, positions, heads, size])
    };
    Ok((0..parts).map(part).collect())
}

/// Adds the bias of one part, which starts at `start` and has one number per feature of each head.
fn add_projection_bias(part: &mut Heads, bias: &[f64], start: &mut usize) -> Result<(), OpError> {
    let [batch, heads, positions, size] = part.dims;
    let own = bias
        .get(*start..*start + heads * size)
        .ok_or_else(|| OpError::shape(format!("input 3: a bias of {} numbers is too short", bias.len())))?;
    *start += heads * size;
    for b in 0..batch {
        for h in 0..heads {
            for i in 0..positions {
                let own = &own[h * size..(h + 1) * size];
                part.row_mut(b, h, i).iter_mut().zip(own).for_each(|(x, y)| *x += y);
            }
        }
    }
    Ok(())
}

impl Op for MultiHeadAttention {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let past = match (cx.has_input(6), cx.shape(6)) {
            (false, _) => Dim::Fixed(0),
            (true, shape) => shape.and_then(|s| s.get(2)).cloned().unwrap_or(Dim::Unknown),
        };
        let shapes: Option<[Shape; 4]> = self.infer_parts(cx)?.map(|[q, k, v]| {
            let total = past.add(&k[2]);
            let [b, h, n, _] = q;
            [
                [b.clone(), n.clone(), h.mul(&v[3])].into_iter().collect(),
                [b.clone(), h.clone(), total.clone(), k[3].clone()].into_iter().collect(),
                [b.clone(), h.clone(), total.clone(), v[3].clone()].into_iter().collect(),
                [b, h, n, total].into_iter().collect(),
            ]
        });
        for index in 0..4 {
            cx.set_tensor(index, dtype, shapes.as_ref().map(|s| s[index].clone()));
        }
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        if cx.datum(8).is_some() || cx.datum(9).is_some() {
            return Err(OpError::Unsupported("shared buffers and beam search in MultiHeadAttention".into()));
        }
        let dtype = cx.tensor(0)?.dtype();
        let [mut q, mut k, mut v] = self.parts(cx)?;
        if let Some(bias) = cx.optional_tensor(3)? {
            let bias = floats(bias, 3)?;
            let mut start = 0;
            for part in [&mut q, &mut k, &mut v] {
                add_projection_bias(part, &bias, &mut start)?;
            }
        }
        let mut past = 0;
        match (cx.optional_tensor(6)?, cx.optional_tensor(7)?) {
            (Some(key), Some(value)) => {
                let key = Heads::of(key, 6)?;
                past = key.dims[2];
                k = key.followed_by(&k)?;
                v = Heads::of(value, 7)?.followed_by(&v)?;
            }
            (None, None) => {}
            (Some(_), None) => return Err(OpError::MissingInput { index: 7 }),
            (None, Some(_)) => return Err(OpError::MissingInput { index: 6 }),
        }
        let mut qk = scores(&q, &k, scale_or_default(self.scale, q.dims[3]), limit(cx))?;
        if let Some(mask) = cx.optional_tensor(4)? {
            mask_keys(&mut qk, mask, 4, self.mask_filter_value, past)?;
        }
        if self.unidirectional {
            hide_future(&mut qk, past);
        }
        add_bias(&mut qk, cx.optional_tensor(5)?, 5)?;
        let (y, weights) = attend(qk, &v, limit(cx))?;
        cx.set(0, y.to_packed(dtype)?);
        cx.set(1, k.to_tensor(dtype)?);
        cx.set(2, v.to_tensor(dtype)?);
        cx.set(3, weights.to_tensor(dtype)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    fn op(unidirectional: bool) -> MultiHeadAttention {
        MultiHeadAttention { mask_filter_value: MASKED, num_heads: 2, scale: None, unidirectional }
    }

    fn case() -> Case {
        let ramp =
            |factor: f32, shift: f32| (0u8..12).map(|i| factor * f32::from(i) + shift).collect::<Vec<_>>();
        Case::new(op(false))
            .tolerance(1e-5, 1e-5)
            .input(f32s(&[1, 2, 4], &[1.0, 2.0, 3.0, -4.0, 0.5, 1.0, 2.0, 0.0]))
            .input(f32s(&[1, 3, 4], &ramp(0.1, -0.3)))
            .input(f32s(&[1, 3, 4], &ramp(1.0, 0.0)))
    }

    // Numbers of ONNX Runtime.
    #[test]
    fn masks_and_biases() {
        let out = |v: &[f32; 8]| f32s(&[1, 2, 4], v);
        let ints = |shape: &[usize], v: &[i32]| Tensor::from_slice(shape, v).unwrap();
        case().expect(out(&[6.027667, 7.027667, 5.255638, 6.255638, 5.098701, 6.098701, 7.433244, 8.433244]));
        let bias: Vec<f32> = (0u8..12).map(|i| 0.05 * f32::from(i)).collect();
        case()
            .input(f32s(&[12], &bias))
            .expect(out(&[6.454531, 7.504531, 5.938516, 6.988516, 5.533129, 6.583128, 8.091717, 9.141717]));
        case()
            .absent()
            .input(ints(&[1, 3], &[1, 0, 1]))
            .expect(out(&[6.761199, 7.761199, 4.897864, 5.897864, 5.602066, 6.602066, 8.048734, 9.048734]));
        case()
            .absent()
            .absent()
            .input(f32s(&[1, 1, 2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]))
            .expect(out(&[7.299441, 8.299441, 7.764861, 8.764861, 6.90177, 7.90177, 9.053936, 10.053936]));
    }

    // Numbers of ONNX Runtime.
    #[test]
    fn continues_a_past() {
        let past = f32s(&[1, 2, 1, 2], &[0.1, 0.2, 0.3, 0.4]);
        let twice = f32s(&[1, 2, 1, 2], &[0.2, 0.4, 0.6, 0.8]);
        let keys = [0.1, 0.2, -0.3, -0.2, 0.1, 0.2, 0.5, 0.6, 0.3, 0.4, -0.1, 0.0, 0.3, 0.4, 0.7, 0.8];
        case().absent().absent().absent().input(past).input(twice).expect_all(vec![
            f32s(&[1, 2, 4], &[4.804459, 5.636542, 4.1147, 4.918647, 3.927525, 4.736261, 5.854627, 6.66981])
                .into(),
            f32s(&[1, 2, 4, 2], &keys).into(),
        ]);
    }

    // Numbers of ONNX Runtime.
    #[test]
    fn hides_the_future_behind_a_past() {
        let x = f32s(&[1, 2, 4], &[1.0, 2.0, 3.0, -4.0, 0.5, 1.0, 2.0, 0.0]);
        Case::new(op(true))
            .tolerance(1e-5, 1e-5)
            .input(x.clone())
            .input(x.clone())
            .input(x)
            .absent()
            .absent()
            .absent()
            .input(f32s(&[1, 2, 1, 2], &[0.1, 0.2, 0.3, 0.4]))
            .input(f32s(&[1, 2, 1, 2], &[0.2, 0.4, 0.6, 0.8]))
            .expect(f32s(
                &[1, 2, 4],
                &[0.96812, 1.936241, 3.0, -4.0, 0.771435, 1.54287, 2.766158, -3.147966],
            ));
    }
}
