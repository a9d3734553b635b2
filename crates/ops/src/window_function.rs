//! What the window functions share: a cosine sum over the positions of the window.

use lehr_graph::{Dim, EvalCx, InferCx, OpError};
use lehr_tensor::{CastOptions, DataType, Tensor};

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
