//! What the window functions share: a cosine sum over the positions of the window.

use lehr_graph::{Builder, Dim, EvalCx, InferCx, OpError};
use lehr_tensor::{CastOptions, DataType, Tensor};

use crate::add::Add;
use crate::cos::Cos;
use crate::div::Div;
use crate::equal::Equal;
use crate::mul::Mul;
use crate::range::Range;
use crate::standardize::cast;
use crate::sub::Sub;
use crate::r#where::Where;

/// The output has as many elements as input 0 says.
pub(crate) fn infer_window(cx: &mut InferCx<'_>, dtype: DataType) -> Result<(), OpError> {
    cx.require(0)?;
    let size = cx.known(0).and_then(|v| v.sole().map(|n| n.to_dim())).unwrap_or(Dim::Unknown);
    cx.set_tensor(0, Some(dtype), Some([size].into_iter().collect()));
    Ok(())
}

/// `Σ cₖ·cos(2πkn/N)` for each position n; N is the size, or one less for a symmetric window.
pub(crate) fn eval_window(
    cx: &mut EvalCx<'_>,
    dtype: DataType,
    periodic: bool,
    coefficients: [f64; 3],
) -> Result<(), OpError> {
    let size = scalar_size(cx, 0)?;
    check_bytes(cx, &[size], dtype)?;
    let period = if periodic { size as f64 } else { size as f64 - 1.0 };
    let value = |n: usize| {
        let terms = coefficients.iter().zip(0u32..);
        terms.map(|(c, k)| c * (f64::from(k) * std::f64::consts::TAU * n as f64 / period).cos()).sum::<f64>()
    };
    let values = if size == 1 && !periodic { vec![1.0] } else { (0..size).map(value).collect() };
    let y = Tensor::vector(values).cast(dtype, CastOptions::default())?;
    cx.set(0, y);
    Ok(())
}

/// The same by simpler operators, for opsets without windows; needs the size as a scalar.
pub(crate) fn decompose_window(
    builder: &mut Builder,
    dtype: DataType,
    periodic: bool,
    coefficients: [f64; 3],
) -> Result<bool, OpError> {
    let size = builder.require(0)?;
    if builder.rank(size).is_ok_and(|rank| rank != 0) {
        return Ok(false);
    }
    let whole = builder.dtype(size)?;
    let wide = if dtype == DataType::F64 { dtype } else { DataType::F32 };
    let (zero, one) = (builder.scalar(whole, 0.0)?, builder.scalar(whole, 1.0)?);
    let positions = builder.call(Range { stash_type: DataType::F32 }, &[zero, size, one])?;
    let positions = cast(builder, positions, wide)?;
    let last = builder.call(Sub {}, &[size, one])?;
    let period = cast(builder, if periodic { size } else { last }, wide)?;
    let mut y = builder.scalar(wide, coefficients[0])?;
    for (coefficient, k) in coefficients.iter().zip(0u32..).skip(1).filter(|(c, _)| **c != 0.0) {
        let turn = builder.scalar(wide, f64::from(k) * std::f64::consts::TAU)?;
        let turns = builder.call(Mul {}, &[positions, turn])?;
        let angle = builder.call(Div {}, &[turns, period])?;
        let cosine = builder.call(Cos {}, &[angle])?;
        let factor = builder.scalar(wide, *coefficient)?;
        let term = builder.call(Mul {}, &[cosine, factor])?;
        y = builder.call(Add {}, &[y, term])?;
    }
    if !periodic {
        let single = builder.call(Equal {}, &[size, one])?;
        let top = builder.scalar(wide, 1.0)?;
        y = builder.call(Where {}, &[single, top, y])?;
    }
    let y = cast(builder, y, dtype)?;
    builder.output(0, y);
    Ok(true)
}

/// A tensor of one integer that is a size.
pub(crate) fn scalar_size(cx: &EvalCx<'_>, index: usize) -> Result<usize, OpError> {
    match cx.ints(index)?[..] {
        [n] => {
            usize::try_from(n).map_err(|_| OpError::value(format!("input {index}: expected a size, got {n}")))
        }
        ref other => Err(OpError::shape(format!("input {index}: expected one number, got {}", other.len()))),
    }
}

/// Refuses an output of more bytes than one value may have (counted in `f64`, as it is computed).
pub(crate) fn check_bytes(cx: &EvalCx<'_>, shape: &[usize], dtype: DataType) -> Result<(), OpError> {
    let len = lehr_tensor::checked_len(shape)?;
    let bytes = dtype.byte_len(len).map(|b| b.max(len.saturating_mul(size_of::<f64>())));
    let limit = cx.environment().max_value_bytes();
    match bytes {
        Some(bytes) if bytes <= limit => Ok(()),
        _ => Err(OpError::value(format!("an output of shape {shape:?} exceeds the limit of {limit} bytes"))),
    }
}
