//! `Where`: <https://onnx.ai/onnx/operators/onnx__Where.html>

use lehr_graph::dim::SymInt;
use lehr_graph::infer::broadcast_inputs;
use lehr_graph::{EvalCx, InferCx, Op, OpError, SymValues, declare_op};
use lehr_tensor::{DataType, Tensor};

use crate::elementwise::{BroadcastIndex, bounded_broadcast};
use crate::elementwise_cpu::{SelectKernel, cpu_op};

declare_op! {
    /// Elements of input 1 where the condition (input 0) holds, else of input 2, all broadcast.
    pub struct Where("", "Where", 16) inputs(3, 3) outputs(1, 1) flags(ELEMENTWISE) {}
}

impl Op for Where {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        if let Some(other) = cx.dtype(0)?.filter(|&d| d != DataType::Bool) {
            return Err(OpError::input_type(0, DataType::Bool.name(), other));
        }
        let (yes, no) = (cx.dtype(1)?, cx.dtype(2)?);
        if let (Some(yes), Some(no)) = (yes, no)
            && yes != no
        {
            return Err(OpError::input_type(2, format!("{}, as input 1", yes.name()), no));
        }
        let shape = broadcast_inputs(cx, &[0, 1, 2])?;
        cx.set_tensor(0, yes.or(no), shape);
        let known = known_choice(cx);
        cx.set_known(0, known);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (condition, yes, no) = (cx.tensor(0)?, cx.tensor(1)?, cx.tensor(2)?);
        if yes.dtype() != no.dtype() {
            return Err(OpError::input_type(2, format!("{}, as input 1", yes.dtype().name()), no.dtype()));
        }
        let shape = bounded_broadcast(cx, &[condition, yes, no])?;
        let chosen = condition.as_slice::<bool>()?;
        let picks = BroadcastIndex::new(condition.shape(), &shape)
            .zip(BroadcastIndex::new(yes.shape(), &shape))
            .zip(BroadcastIndex::new(no.shape(), &shape))
            .map(|((c, y), n)| if chosen.get(c).copied().unwrap_or(false) { (yes, y) } else { (no, n) });
        let y = pick(yes.dtype(), &shape, picks)?;
        cx.set(0, y);
        Ok(())
    }
}

/// The tensor of single elements of other tensors of the same type.
fn pick<'a>(
    dtype: DataType,
    shape: &[usize],
    picks: impl Iterator<Item = (&'a Tensor, usize)>,
) -> Result<Tensor, OpError> {
    if dtype == DataType::String {
        let texts = picks.map(|(t, at)| Ok(t.strings()?.get(at).cloned().unwrap_or_default()));
        return Ok(Tensor::from_strings(shape, texts.collect::<Result<_, OpError>>()?)?);
    }
    if dtype.is_sub_byte() {
        // A packed code lies across the bits of a byte: its place is found without unpacking the whole tensor.
        let bits = dtype.bits();
        let code = |(t, at): (&Tensor, usize)| {
            let start = at * bits;
            let byte = |i: usize| u16::from(t.bytes().get(i).copied().unwrap_or(0));
            let window = byte(start / 8) | byte(start / 8 + 1) << 8;
            ((window >> (start % 8)) & ((1 << bits) - 1)) as u8
        };
        return Ok(Tensor::from_codes(dtype, shape, &picks.map(code).collect::<Vec<_>>())?);
    }
    let size = dtype.bits() / 8;
    let mut bytes = Vec::with_capacity(lehr_tensor::checked_len(shape)?.saturating_mul(size));
    for (t, at) in picks {
        bytes.extend_from_slice(t.bytes().get(at * size..(at + 1) * size).unwrap_or_default());
    }
    Ok(Tensor::from_bytes(dtype, shape, bytes.into())?)
}

fn known_choice(cx: &InferCx<'_>) -> Option<SymValues> {
    let condition = match cx.constant(0) {
        Some(t) => SymValues::from_numbers(t.shape(), &t.to_i64s().ok()?).ok()?,
        None => cx.known(0)?,
    };
    let (yes, no) = (cx.known(1)?, cx.known(2)?);
    // Each element in turn: where the condition is not known, equal choices still are.
    let either =
        yes.zip_with(&no, |a, b| if a.equal(b) == Some(true) { a.clone() } else { SymInt::Unknown }).ok()?;
    let yes_or_unknown = condition.zip_with(&yes, |c, y| match c.as_constant() {
        Some(0) | None => SymInt::Unknown,
        Some(_) => y.clone(),
    });
    let no_or_unknown = condition.zip_with(&no, |c, n| match c.as_constant() {
        Some(0) => n.clone(),
        _ => SymInt::Unknown,
    });
    let first_known = |a: &SymInt, b: &SymInt| if a.as_expr().is_some() { a.clone() } else { b.clone() };
    let decided = yes_or_unknown.ok()?.zip_with(&no_or_unknown.ok()?, first_known).ok()?;
    decided.zip_with(&either, first_known).ok()
}

cpu_op!(Where, SelectKernel::applies, |_op| SelectKernel);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s, numbers};

    #[test]
    fn broadcasts_every_type() {
        let condition = Tensor::from_slice(&[2, 1], &[true, false]).unwrap();
        let (a, b) = (f32s(&[2], &[1.0, 2.0]), f32s(&[], &[9.0]));
        Case::new(Where {})
            .input(condition.clone())
            .input(a)
            .input(b)
            .expect(f32s(&[2, 2], &[1.0, 2.0, 9.0, 9.0]));
        let small = |v: &[f64]| numbers(DataType::I4, &[v.len()], v);
        Case::new(Where {})
            .input(Tensor::vector(vec![true, false, true]))
            .input(small(&[1.0, 2.0, -3.0]))
            .input(small(&[4.0, 5.0, 6.0]))
            .expect(small(&[1.0, 5.0, -3.0]));
        let text = |t: &str| Tensor::from_strings(&[], vec![t.to_owned()]).unwrap();
        let want = Tensor::from_strings(&[2, 1], vec!["a".into(), "b".into()]).unwrap();
        Case::new(Where {}).input(condition).input(text("a")).input(text("b")).expect(want);
    }

    #[test]
    fn chooses_among_known_integers() {
        Case::new(Where {})
            .constant(Tensor::vector(vec![true, false]))
            .constant(i64s(&[], &[7]))
            .constant(i64s(&[2], &[1, 2]))
            .expect(i64s(&[2], &[7, 2]));
    }
}
