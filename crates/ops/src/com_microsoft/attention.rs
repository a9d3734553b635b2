//! `Attention`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.Attention>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, declare_op};
use lehr_tensor::{Tensor, Wide};

use super::masks::{MASKED, add_bias, attend, hide_future, mask_keys};
use crate::heads::{Heads, floats, head_count, limit, scale_or_default, scores};
use crate::matrix_product::{ProductShape, product};

declare_op! {
    /// Attention whose queries, keys and values are projected from one input: `softmax(scale·Q·Kᵀ + bias)·V` per head
    /// with `[Q K V] = x·W + b`.
    ///
    /// Inputs: x (batch, positions, features), W, b, mask (see [`mask_keys`](super::masks::mask_keys)), past (2, batch,
    /// heads, positions, features), bias of the scores, past length of a shared buffer (not handled). Outputs: Y and the
    /// present in the form of the past.
    pub struct Attention("com.microsoft", "Attention", 1) inputs(2, 7) outputs(1, 2) flags() {
        /// Rotate queries and keys (not handled).
        do_rotary: bool = false,
        /// Added to the scores of masked keys.
        mask_filter_value: f32 = MASKED,
        /// Number of heads.
        num_heads: i64,
        /// Whether past and present share a buffer (not handled).
        past_present_share_buffer: bool = false,
        /// Features of Q, K and V; a third of the columns of W each by default.
        qkv_hidden_sizes: Option<Vec<i64>> = None,
        /// How many features rotate.
        rotary_embedding_dim: Option<i64> = None,
        /// Factor of the scores; 1/√features by default.
        scale: Option<f32> = None,
        /// A query sees no later keys.
        unidirectional: bool = false,
    }
}

impl Attention {
    /// Features of Q, K and V together when W has `columns`.
    fn sizes(&self, columns: usize) -> Result<[usize; 3], OpError> {
        let sizes = match self.qkv_hidden_sizes.as_deref() {
            None | Some([]) if columns.is_multiple_of(3) => [columns / 3; 3],
            Some(&[q, k, v]) => {
                let size = |n: i64| usize::try_from(n).unwrap_or(0);
                [size(q), size(k), size(v)]
            }
            _ => [0; 3],
        };
        let total = sizes.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
        if total != Some(columns) || sizes[0] != sizes[1] {
            return Err(OpError::attribute(
                "qkv_hidden_sizes",
                format!("expected three sizes that fill {columns} columns, the first two equal"),
            ));
        }
        Ok(sizes)
    }

    fn infer_sizes(&self, cx: &InferCx<'_>) -> Result<Option<[usize; 3]>, OpError> {
        let columns = cx.shape(1).and_then(|s| s.get(1)).and_then(Dim::as_fixed);
        columns.map(|columns| self.sizes(columns)).transpose()
    }
}

impl Op for Attention {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let heads = head_count("num_heads", Some(self.num_heads))?;
        let sizes = self.infer_sizes(cx)?;
        let dim = |index: usize, axis: usize| -> Dim {
            cx.shape(index).and_then(|s| s.get(axis)).cloned().unwrap_or(Dim::Unknown)
        };
        let fixed = |n: Option<usize>| n.map_or(Dim::Unknown, |n| Dim::Fixed(n as u64));
        let y: Shape = [dim(0, 0), dim(0, 1), fixed(sizes.map(|s| s[2]))].into_iter().collect();
        let past = if cx.has_input(4) { dim(4, 3) } else { Dim::Fixed(0) };
        let present = [
            Dim::Fixed(2),
            dim(0, 0),
            Dim::Fixed(heads as u64),
            past.add(&dim(0, 1)),
            fixed(sizes.map(|s| s[1] / heads)),
        ];
        cx.set_tensor(0, dtype, Some(y));
        cx.set_tensor(1, dtype, Some(present.into_iter().collect()));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        if self.do_rotary || self.past_present_share_buffer || cx.datum(6).is_some() {
            return Err(OpError::Unsupported(
                "rotation and shared buffers in com.microsoft::Attention".into(),
            ));
        }
        let heads = head_count("num_heads", Some(self.num_heads))?;
        let (x, w) = (cx.tensor(0)?, cx.tensor(1)?);
        let &[_, columns] = w.shape() else {
            return Err(OpError::shape(format!("input 1: expected a matrix, got shape {:?}", w.shape())));
        };
        let &[batch, positions, _] = x.shape() else {
            return Err(OpError::shape(format!("input 0: expected rank 3, got shape {:?}", x.shape())));
        };
        let shape = ProductShape::new(x.shape(), w.shape())?;
        let mut all = product(&shape, &floats(x, 0)?, &floats(w, 1)?, |c: f64, a, b| c + a * b);
        if let Some(bias) = cx.optional_tensor(2)? {
            crate::operand::check_shape(2, bias, &[columns])?;
            let bias = floats(bias, 2)?;
            all.chunks_mut(columns.max(1))
                .for_each(|row| row.iter_mut().zip(&bias).for_each(|(x, b)| *x += b));
        }
        let sizes = self.sizes(columns)?;
        let part = |which: usize| -> Result<Heads, OpError> {
            let (start, size) = (sizes[..which].iter().sum::<usize>(), sizes[which]);
            let rows = all.chunks(columns.max(1));
            let data = rows.flat_map(|row| row[start..start + size].iter().copied()).collect();
            let tensor =
                Tensor::narrow(lehr_tensor::DataType::F64, &[batch, positions, size], Wide::F(data))?;
            Heads::packed(&tensor, 1, heads)
        };
        let (q, mut k, mut v) = (part(0)?, part(1)?, part(2)?);
        let mut past_len = 0;
        if let Some(past) = cx.optional_tensor(4)? {
            let (past_k, past_v) = halves(past)?;
            past_len = past_k.dims[2];
            k = past_k.followed_by(&k)?;
            v = past_v.followed_by(&v)?;
        }
        let mut qk = scores(&q, &k, scale_or_default(self.scale, q.dims[3]), limit(cx))?;
        if let Some(mask) = cx.optional_tensor(3)? {
            mask_keys(&mut qk, mask, 3, self.mask_filter_value, past_len)?;
        }
        if self.unidirectional {
            hide_future(&mut qk, past_len);
        }
        add_bias(&mut qk, cx.optional_tensor(5)?, 5)?;
        let (y, _) = attend(qk, &v, limit(cx))?;
        cx.set(0, y.to_packed(x.dtype())?);
        if cx.n_outputs() > 1 {
            if k.dims != v.dims {
                return Err(OpError::shape(format!(
                    "a present needs keys and values of one shape, got {:?} and {:?}",
                    k.dims, v.dims
                )));
            }
            let [b, h, n, size] = k.dims;
            let data = [k.data, v.data].concat();
            cx.set(1, Tensor::narrow(x.dtype(), &[2, b, h, n, size], Wide::F(data))?);
        }
        Ok(())
    }
}

/// Keys and values of a past state.
fn halves(past: &Tensor) -> Result<(Heads, Heads), OpError> {
    let &[2, b, h, n, size] = past.shape() else {
        return Err(OpError::shape(format!(
            "input 4: expected shape [2, batch, heads, positions, features], got {:?}",
            past.shape()
        )));
    };
    let mut keys = floats(past, 4)?;
    let values = keys.split_off(keys.len() / 2);
    let dims = [b, h, n, size];
    Ok((Heads { data: keys, dims }, Heads { data: values, dims }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    fn case(unidirectional: bool) -> Case {
        let op = Attention {
            do_rotary: false,
            mask_filter_value: MASKED,
            num_heads: 2,
            past_present_share_buffer: false,
            qkv_hidden_sizes: None,
            rotary_embedding_dim: None,
            scale: None,
            unidirectional,
        };
        Case::new(op)
            .tolerance(1e-5, 1e-5)
            .input(f32s(&[1, 3, 2], &[1.0, 2.0, 3.0, -4.0, 0.5, 1.0]))
            .input(f32s(&[2, 6], &[0.1, 0.2, 0.3, -0.4, 0.5, 0.6, 0.7, -0.8, 0.9, 1.0, 0.2, 0.3]))
            .input(f32s(&[6], &[0.1, 0.2, 0.3, 0.1, 0.2, 0.3]))
    }

    // Numbers of ONNX Runtime.
    #[test]
    fn masks() {
        let ints = |shape: &[usize], v: &[i32]| Tensor::from_slice(shape, v).unwrap();
        let out = |v: &[f32; 6]| f32s(&[1, 3, 2], v);
        case(false).expect(out(&[1.029257, 0.900171, 0.899971, 1.476501, 0.968412, 0.918487]));
        case(true).input(ints(&[1], &[2])).expect(out(&[1.1, 1.5, 0.900002, 1.5, 1.096675, 0.919377]));
        case(true).input(ints(&[2], &[3, 1])).expect(out(&[1.1, 1.5, 0.9, 0.9, 0.65991, 0.9]));
        case(false)
            .input(ints(&[1, 3], &[1, 0, 1]))
            .expect(out(&[1.029307, 1.066127, 0.683511, 1.476501, 0.969233, 1.140787]));
    }

    // Numbers of ONNX Runtime.
    #[test]
    fn continues_a_past() {
        let past: Vec<f32> = (0u8..8).map(|i| 0.1 * f32::from(i)).collect();
        let present = [
            0.0, 0.1, 2.4, -2.4, 1.35, 0.2, 0.3, 1.7, -5.1, 0.9, 0.4, 0.5, 1.1, 0.9, 0.65, 0.6, 0.7, 1.5,
            0.9, 0.9,
        ];
        case(true).absent().input(f32s(&[2, 1, 2, 2, 1], &past)).expect_all(vec![
            f32s(&[1, 3, 2], &[1.071168, 0.715709, 0.897449, 1.494843, 0.885839, 0.888033]).into(),
            f32s(&[2, 1, 2, 5, 1], &present).into(),
        ]);
    }
}
