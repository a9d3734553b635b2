//! Inputs as numbers for reference evaluation, and the bound on what is made from them.

use lehr_graph::{EvalCx, InferCx, OpError};
use lehr_tensor::{DataType, Tensor, Wide, checked_len};

/// The elements of a floating-point tensor, which is input `index` in errors.
pub(crate) fn floats_of(tensor: &Tensor, index: usize) -> Result<Vec<f64>, OpError> {
    match tensor.widen() {
        Wide::F(values) => Ok(values),
        _ => Err(OpError::input_type(index, "a floating-point type", tensor.dtype())),
    }
}

/// The elements of a required floating-point input.
pub(crate) fn floats(cx: &EvalCx<'_>, index: usize) -> Result<Vec<f64>, OpError> {
    floats_of(cx.tensor(index)?, index)
}

/// The elements of a floating-point input that may be absent.
pub(crate) fn optional_floats(cx: &EvalCx<'_>, index: usize) -> Result<Option<Vec<f64>>, OpError> {
    cx.optional_tensor(index)?.map(|tensor| floats_of(tensor, index)).transpose()
}

/// A floating-point tensor of `values` rounded to `dtype`.
pub(crate) fn rounded(dtype: DataType, shape: &[usize], values: Vec<f64>) -> Result<Tensor, OpError> {
    Ok(Tensor::narrow(dtype, shape, Wide::F(values))?)
}

/// A tensor of any numeric type from values that it holds exactly.
pub(crate) fn exact(dtype: DataType, shape: &[usize], values: Vec<f64>) -> Result<Tensor, OpError> {
    let wide = if dtype.is_signed_int() {
        Wide::I(values.into_iter().map(|v| v as i64).collect())
    } else if dtype.is_unsigned_int() {
        Wide::U(values.into_iter().map(|v| v as u64).collect())
    } else {
        Wide::F(values)
    };
    Ok(Tensor::narrow(dtype, shape, wide)?)
}

/// Elements of a value of this shape, which must fit the environment's bound for one value.
pub(crate) fn bounded_len(cx: &EvalCx<'_>, dtype: DataType, shape: &[usize]) -> Result<usize, OpError> {
    let most = cx.environment().max_value_bytes();
    let len = checked_len(shape)?;
    match dtype.byte_len(len) {
        Some(bytes) if bytes <= most => Ok(len),
        _ => Err(OpError::value(format!(
            "a value of {} {shape:?} would have more than the allowed {most} bytes",
            dtype.name()
        ))),
    }
}

/// Checks that a required input has a given shape.
pub(crate) fn check_shape(index: usize, tensor: &Tensor, expected: &[usize]) -> Result<(), OpError> {
    if tensor.shape() == expected {
        return Ok(());
    }
    Err(OpError::shape(format!("input {index}: expected shape {expected:?}, got {:?}", tensor.shape())))
}

/// Checks that input `index` has the element type `expected`.
pub(crate) fn check_dtype(index: usize, tensor: &Tensor, expected: DataType) -> Result<(), OpError> {
    if tensor.dtype() == expected {
        return Ok(());
    }
    Err(OpError::input_type(index, expected.name(), tensor.dtype()))
}

/// The element type that all present inputs share, as far as known; input 0 must be there.
pub(crate) fn present_dtype(cx: &InferCx<'_>) -> Result<Option<DataType>, OpError> {
    let mut common = cx.dtype(0)?;
    for index in (1..cx.n_inputs()).filter(|&index| cx.has_input(index)) {
        match (common, cx.dtype(index)?) {
            (Some(a), Some(b)) if a != b => return Err(OpError::input_type(index, a.name(), b)),
            (known, new) => common = known.or(new),
        }
    }
    Ok(common)
}
