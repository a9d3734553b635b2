//! `Range`: <https://onnx.ai/onnx/operators/onnx__Range.html>

use lehr_graph::dim::SymInt;
use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, SymValues, WriteCx, declare_op};
use lehr_tensor::{DataType, Tensor, Wide};

use crate::elementwise::common_dtype;
use crate::operand::bounded_len;

declare_op! {
    /// Numbers from input 0 in steps of input 2 to below (above, for negative steps) input 1.
    pub struct Range("", "Range", 27) inputs(3, 3) outputs(1, 1) flags() {
        /// Element type in which 16-bit floats are counted; the reference counts in double precision, which covers both.
        stash_type: DataType = DataType::F32,
    }
}

impl Op for Range {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = common_dtype(cx)?;
        let bounds: Option<Vec<SymInt>> = (0..3).map(|i| cx.known(i)?.sole().cloned()).collect();
        let dim = match bounds.as_deref() {
            Some([start, limit, delta]) => symbolic_count(start, limit, delta)?,
            _ => constant_count(cx)?,
        };
        let count = dim.as_fixed();
        cx.set_tensor(0, dtype, Some([dim].into_iter().collect::<Shape>()));
        if let (Some(count), Some([start, _, delta])) = (count, bounds.as_deref()) {
            cx.set_known(0, known_range(start, delta, count));
        }
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (start, limit, delta) = (cx.tensor(0)?, cx.tensor(1)?, cx.tensor(2)?);
        let dtype = start.dtype();
        for (index, other) in [(1, limit), (2, delta)] {
            if other.dtype() != dtype {
                return Err(OpError::input_type(
                    index,
                    format!("{}, as input 0", dtype.name()),
                    other.dtype(),
                ));
            }
        }
        let count = count_of(start, limit, delta)?;
        let len = usize::try_from(count).unwrap_or(usize::MAX);
        bounded_len(cx, DataType::U64, &[len])?;
        let wide = match (start.widen(), delta.widen()) {
            (Wide::F(start), Wide::F(delta)) => {
                let (start, delta) = (sole(&start)?, sole(&delta)?);
                Wide::F((0..len).map(|i| start + i as f64 * delta).collect())
            }
            (Wide::I(start), Wide::I(delta)) => {
                let (start, delta) = (sole(&start)?, sole(&delta)?);
                Wide::I((0..len).map(|i| start.wrapping_add((i as i64).wrapping_mul(delta))).collect())
            }
            _ => return Err(OpError::input_type(0, "a floating-point or signed integer type", dtype)),
        };
        cx.set(0, Tensor::narrow(dtype, &[len], wide)?);
        Ok(())
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        if cx.opset() < 27 {
            cx.attributes_mut().remove("stash_type");
        }
        Ok(())
    }
}

fn sole<T: Copy>(values: &[T]) -> Result<T, OpError> {
    match values {
        [only] => Ok(*only),
        other => Err(OpError::shape(format!("expected scalars, got {} elements", other.len()))),
    }
}

/// How many numbers there are; an error when they never end.
fn count_of(start: &Tensor, limit: &Tensor, delta: &Tensor) -> Result<u64, OpError> {
    match (start.widen(), limit.widen(), delta.widen()) {
        (Wide::F(start), Wide::F(limit), Wide::F(delta)) => {
            let count = ((sole(&limit)? - sole(&start)?) / sole(&delta)?).ceil();
            // Casts from floats saturate; beyond any memory is an error of its own.
            if count.is_nan() {
                Err(OpError::value("the range has no length"))
            } else {
                Ok(count.max(0.0) as u64)
            }
        }
        (Wide::I(start), Wide::I(limit), Wide::I(delta)) => {
            let (start, limit, delta) = (sole(&start)?, sole(&limit)?, sole(&delta)?);
            integer_count(start, limit, delta)
        }
        _ => Err(OpError::input_type(0, "a floating-point or signed integer type", start.dtype())),
    }
}

fn integer_count(start: i64, limit: i64, delta: i64) -> Result<u64, OpError> {
    let (way, step) = (i128::from(limit) - i128::from(start), i128::from(delta));
    let steps = way.checked_div(step).ok_or_else(|| OpError::value("the range has a step of 0"))?;
    let more = way % step != 0 && (way < 0) == (step < 0);
    Ok(u64::try_from((steps + i128::from(more)).max(0)).unwrap_or(u64::MAX))
}

fn constant_count(cx: &InferCx<'_>) -> Result<Dim, OpError> {
    match (cx.constant(0), cx.constant(1), cx.constant(2)) {
        (Some(start), Some(limit), Some(delta)) => count_of(start, limit, delta).map(Dim::Fixed),
        _ => Ok(Dim::Unknown),
    }
}

fn symbolic_count(start: &SymInt, limit: &SymInt, delta: &SymInt) -> Result<Dim, OpError> {
    if let (Some(start), Some(limit), Some(delta)) =
        (start.as_constant(), limit.as_constant(), delta.as_constant())
    {
        return integer_count(start, limit, delta).map(Dim::Fixed);
    }
    let way = limit.sub(start);
    let steps = match delta.as_constant() {
        Some(0) => return Err(OpError::value("the range has a step of 0")),
        Some(1) => way,
        Some(_) => way.ceil_div(delta),
        None => SymInt::Unknown,
    };
    Ok(steps.maximum(&SymInt::constant(0)).to_dim())
}

fn known_range(start: &SymInt, delta: &SymInt, count: usize) -> Option<SymValues> {
    if count > SymValues::MAX_LEN {
        return None;
    }
    let at = |i: usize| i64::try_from(i).ok().map(|i| start.add(&delta.mul(&SymInt::constant(i))));
    SymValues::vector((0..count).map(at).collect::<Option<_>>()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn up_down_and_nothing() {
        let op = || Case::new(Range { stash_type: DataType::F32 });
        let int = |v| i64s(&[], &[v]);
        op().constant(int(3)).constant(int(9)).constant(int(3)).expect(i64s(&[2], &[3, 6]));
        op().constant(int(10)).constant(int(4)).constant(int(-2)).expect(i64s(&[3], &[10, 8, 6]));
        op().input(int(0)).input(int(-5)).input(int(1)).expect(i64s(&[0], &[]));
        op().input(int(0)).input(int(5)).input(int(0)).expect_error("step of 0");
        op().input(int(i64::MIN)).input(int(i64::MAX)).input(int(1)).expect_error("allowed");
        let float = |v| f32s(&[], &[v]);
        op().constant(float(1.0))
            .constant(float(2.0))
            .constant(float(0.3))
            .expect(f32s(&[4], &[1.0, 1.3, 1.6, 1.9]));
        op().input(float(1.0)).input(float(f32::NAN)).input(float(1.0)).expect_error("no length");
    }
}
