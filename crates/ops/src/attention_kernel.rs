//! The fast way of Attention: `f32`, without past keys, bounds on the scores and windows.

use std::borrow::Cow;
use std::sync::Arc;

use lehr_graph::{OpError, Signature};
use lehr_kernels::Isa;
use lehr_kernels::attention::{self, AttentionShape, HeadStrides, Mask, attention, attention_scratch_len};
use lehr_tensor::{DataType, Tensor, broadcast_shapes, checked_len};

use crate::attention::Attention;
use crate::cpu::{CpuOp, Kernel, Packed, Recipe, RunCx, are_f32, refused, run_reference};
use crate::heads::{head_count, scale_or_default};

impl CpuOp for Attention {
    fn choose(&self, io: &Signature<'_>, _isa: Isa) -> Option<Recipe> {
        let has_past = (4..7).any(|index| io.inputs.get(index).is_some_and(Option::is_some));
        let is_plain = self.softcap == 0.0
            && self.left_window_size == -1
            && self.right_window_size == -1
            && self.softmax_precision.is_none_or(|precision| precision == DataType::F32);
        let has_mask = io.inputs.get(3).is_some_and(Option::is_some);
        let mask_fits = !has_mask || matches!(io.input_dtype(3), Some(DataType::F32 | DataType::Bool));
        let fits = io.outputs.len() == 1 && !has_past && is_plain && mask_fits && are_f32(io, &[0, 1, 2]);
        fits.then(|| Recipe::new("blocks"))
    }

    fn pack(&self, _recipe: &Recipe, _constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
        Ok(Packed::default())
    }

    fn bind(&self, _recipe: &Recipe, _packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
        Ok(Box::new(AttentionKernel(self.clone())))
    }
}

struct AttentionKernel(Attention);

/// Sizes of an operand, `[batch, heads, positions, features]`, and where its rows are.
type Operand = ([usize; 4], HeadStrides);

fn operand(x: &Tensor, index: usize, name: &str, heads: Option<i64>) -> Result<Operand, OpError> {
    match *x.shape() {
        [batch, heads, positions, features] => {
            Ok(([batch, heads, positions, features], HeadStrides::heads_first(heads, positions, features)))
        }
        [batch, positions, width] => {
            let heads = head_count(name, heads)?;
            if !width.is_multiple_of(heads) {
                return Err(OpError::shape(format!(
                    "input {index}: {width} features do not divide into {heads} heads"
                )));
            }
            let features = width / heads;
            let strides = HeadStrides::positions_first(heads, positions, features);
            Ok(([batch, heads, positions, features], strides))
        }
        ref shape => Err(OpError::shape(format!("input {index}: expected rank 3 or 4, got {shape:?}"))),
    }
}

impl Kernel for AttentionKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let (op, q, k, v) = (&self.0, cx.tensor(0)?, cx.tensor(1)?, cx.tensor(2)?);
        let (q_sizes, q_strides) = operand(q, 0, "q_num_heads", op.q_num_heads)?;
        let (k_sizes, k_strides) = operand(k, 1, "kv_num_heads", op.kv_num_heads)?;
        let (v_sizes, v_strides) = operand(v, 2, "kv_num_heads", op.kv_num_heads)?;
        let [batch, heads, queries, features] = q_sizes;
        let [_, kv_heads, keys, value_features] = v_sizes;
        let fits = k_sizes == [batch, kv_heads, keys, features] && v_sizes[0] == batch;
        let is_empty = [q_sizes, k_sizes, v_sizes].iter().flatten().any(|&size| size == 0);
        let scores = [batch, heads, queries, keys];
        let Some(mask) = mask(cx, scores)?.filter(|_| fits && !is_empty) else {
            return run_reference(op, cx);
        };
        let shape = AttentionShape { batch, heads, kv_heads, queries, keys, features, value_features };
        let (packed, y_shape, y_strides) = (
            q.rank() == 3,
            [batch, heads, queries, value_features],
            HeadStrides::positions_first(heads, queries, value_features),
        );
        let (y_shape, y_strides) = if packed {
            (vec![batch, queries, heads * value_features], y_strides)
        } else {
            (y_shape.to_vec(), HeadStrides::heads_first(heads, queries, value_features))
        };
        let (q, k, v) = (q.as_slice::<f32>()?, k.as_slice::<f32>()?, v.as_slice::<f32>()?);
        let scale = scale_or_default(op.scale, features) as f32;
        let [q, k, v] = [(&*q, q_strides), (&*k, k_strides), (&*v, v_strides)];
        let mut job = attention::Attention::new(shape, q, k, v, scale).map_err(refused)?;
        job.mask = mask.as_ref().map(|(data, strides)| Mask { data, strides: *strides });
        job.causal = op.is_causal;
        let scratch = attention_scratch_len(cx.team, &shape)
            .ok_or_else(|| OpError::shape("the scratch of the attention does not fit the address space"))?;
        let mut scratch = cx.buffers.take(scratch);
        let mut y = cx.buffers.take(checked_len(&y_shape)?);
        attention(cx.team, cx.isa, &job, &mut y, y_strides, &mut scratch);
        cx.buffers.give(scratch);
        cx.set(0, Tensor::from_vec(&y_shape, y)?);
        Ok(())
    }
}

/// A mask (inner `None`: absent) as numbers to add; the outer `None` when only the definition takes it.
type OwnMask<'a> = Option<Option<(Cow<'a, [f32]>, HeadStrides)>>;

fn mask<'a>(cx: &'a RunCx<'_>, scores: [usize; 4]) -> Result<OwnMask<'a>, OpError> {
    let Some(mask) = cx.optional_tensor(3)? else { return Ok(Some(None)) };
    let own = mask.shape();
    let fits = own.len() <= 4 && own.last() == scores.last();
    if !fits || broadcast_shapes(&[own, &scores]).ok().as_deref() != Some(&scores[..]) {
        return Ok(None);
    }
    let mut sizes = [1; 4];
    sizes.iter_mut().rev().zip(own.iter().rev()).for_each(|(size, own)| *size = *own);
    let stride = |axis: usize| {
        if sizes[axis] == 1 { 0 } else { sizes[axis + 1..].iter().product() }
    };
    let strides = HeadStrides { batch: stride(0), head: stride(1), row: stride(2) };
    let numbers = match mask.dtype() {
        DataType::Bool => {
            let hidden = |&seen: &bool| if seen { 0.0 } else { f32::NEG_INFINITY };
            Cow::Owned(mask.as_slice::<bool>()?.iter().map(hidden).collect())
        }
        _ => mask.as_slice::<f32>()?,
    };
    Ok(Some(Some((numbers, strides))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    fn op() -> Attention {
        Attention {
            right_window_size: -1,
            left_window_size: -1,
            qk_matmul_output_mode: 0,
            softcap: 0.0,
            softmax_precision: None,
            kv_num_heads: None,
            q_num_heads: None,
            scale: None,
            is_causal: false,
        }
    }

    fn values(shape: &[usize]) -> Tensor {
        let len: usize = shape.iter().product();
        f32s(shape, &(0..len).map(|i| (i * 7 % 23) as f32 / 8.0 - 1.25).collect::<Vec<_>>())
    }

    #[test]
    fn heads_first_or_last_with_shared_keys() {
        Case::new(op())
            .input(values(&[2, 4, 5, 3]))
            .input(values(&[2, 2, 7, 3]))
            .input(values(&[2, 2, 7, 6]))
            .tolerance(1e-4, 1e-5)
            .agree();
        let packed = Attention { q_num_heads: Some(4), kv_num_heads: Some(2), is_causal: true, ..op() };
        Case::new(packed)
            .input(values(&[2, 5, 12]))
            .input(values(&[2, 5, 6]))
            .input(values(&[2, 5, 8]))
            .tolerance(1e-4, 1e-5)
            .agree();
    }

    #[test]
    fn masks_repeat_and_hide() {
        let hidden: Vec<bool> = (0..10).map(|i| i % 3 != 0 && i < 5).collect();
        let hidden = Tensor::from_slice(&[2, 5], &hidden).unwrap();
        for mask in [values(&[5]), values(&[2, 1, 1, 5]), values(&[2, 2, 5]), hidden, values(&[2, 4])] {
            Case::new(Attention { scale: Some(0.5), ..op() })
                .input(values(&[2, 2, 2, 3]))
                .input(values(&[2, 2, 5, 3]))
                .input(values(&[2, 2, 5, 3]))
                .input(mask)
                .tolerance(1e-4, 1e-5)
                .agree();
        }
    }

    #[test]
    fn misfits() {
        let x = values(&[1, 2, 3, 4]);
        Case::new(op())
            .input(x.clone())
            .input(values(&[1, 2, 3, 5]))
            .input(x)
            .expect_error("do not fit keys");
    }
}
