//! Quantisation: which scale belongs to which element, rounding to the quantised types, zero points.

use lehr_graph::{EvalCx, OpError, Shape};
use lehr_tensor::{CastOptions, DataType, Tensor, Wide, bf16, checked_len, f16};

use crate::axis::resolve_axis;

/// How scales and zero points spread over the elements of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Granularity {
    /// One for all.
    Tensor,
    /// One per index of an axis of `size`, behind which `inner` elements follow.
    Axis { size: usize, inner: usize },
    /// One per `block` indices of an axis of `size`, of which there are `blocks`; `inner` elements follow the axis.
    Blocks { size: usize, block: usize, blocks: usize, inner: usize },
}

impl Granularity {
    /// From the shapes of the tensor and its scale and the attributes.
    pub(crate) fn new(shape: &[usize], scale: &[usize], axis: i64, block_size: i64) -> Result<Self, OpError> {
        let misfit = || {
            OpError::shape(format!(
                "a scale of shape {scale:?} does not fit {shape:?} along axis {axis} in blocks of {block_size}"
            ))
        };
        if block_size < 0 {
            return Err(OpError::attribute("block_size", format!("expected at least 0, got {block_size}")));
        }
        if block_size == 0 {
            return match scale {
                [] | [1] => Ok(Self::Tensor),
                [len] => {
                    let axis = resolve_axis(axis, shape.len())?;
                    let inner = checked_len(&shape[axis + 1..])?;
                    if *len == shape[axis] { Ok(Self::Axis { size: *len, inner }) } else { Err(misfit()) }
                }
                _ => Err(misfit()),
            };
        }
        if scale.len() != shape.len() {
            return Err(misfit());
        }
        let axis = resolve_axis(axis, shape.len())?;
        let block = usize::try_from(block_size).map_err(|_| misfit())?;
        let fits =
            |i: usize| if i == axis { scale[i] == shape[i].div_ceil(block) } else { scale[i] == shape[i] };
        if !(0..shape.len()).all(fits) {
            return Err(misfit());
        }
        let inner = checked_len(&shape[axis + 1..])?;
        Ok(Self::Blocks { size: shape[axis], block, blocks: scale[axis], inner })
    }

    /// Position of the scale for the element at flat position `at`.
    pub(crate) fn scale_of(self, at: usize) -> usize {
        match self {
            Self::Tensor => 0,
            Self::Axis { size, inner } => at / inner % size,
            Self::Blocks { size, block, blocks, inner } => {
                let (outer, index, rest) = (at / inner / size, at / inner % size, at % inner);
                (outer * blocks + index / block) * inner + rest
            }
        }
    }
}

/// Checks symbolic shapes of tensor and scale as far as they are numbers.
pub(crate) fn check_granularity(
    x: Option<&Shape>,
    scale: Option<&Shape>,
    axis: i64,
    block_size: i64,
) -> Result<(), OpError> {
    if let (Some(x), Some(scale)) = (x.and_then(Shape::as_fixed), scale.and_then(Shape::as_fixed)) {
        Granularity::new(&x, &scale, axis, block_size)?;
    }
    Ok(())
}

/// Smallest and largest value of a quantised integer type.
pub(crate) fn integer_range(dtype: DataType) -> Option<(f64, f64)> {
    let bits = i32::try_from(dtype.bits()).ok()?;
    if dtype.is_unsigned_int() {
        Some((0.0, 2f64.powi(bits) - 1.0))
    } else if dtype.is_signed_int() {
        Some((-2f64.powi(bits - 1), 2f64.powi(bits - 1) - 1.0))
    } else {
        None
    }
}

/// `value` rounded to the precision of `dtype`; types without rounding here are left as they are.
pub(crate) fn round_to(dtype: DataType, value: f64) -> f64 {
    match dtype {
        DataType::F32 => f64::from(value as f32),
        DataType::F16 => f16::from_f64(value).to_f64(),
        DataType::BF16 => bf16::from_f64(value).to_f64(),
        _ => value,
    }
}

/// Rounds half to even, adds the zero point and saturates; a NaN becomes the smallest value.
pub(crate) fn round_and_saturate(value: f64, zero: f64, (low, high): (f64, f64)) -> f64 {
    if value.is_nan() { low } else { (value.round_ties_even() + zero).clamp(low, high) }
}

/// A tensor of integers of any type from whole numbers in its range.
pub(crate) fn integers(dtype: DataType, shape: &[usize], values: Vec<f64>) -> Result<Tensor, OpError> {
    crate::operand::exact(dtype, shape, values)
}

/// A tensor of a float type from numbers, saturating where the type can choose.
pub(crate) fn small_floats(
    dtype: DataType,
    shape: &[usize],
    values: Vec<f64>,
    saturate: bool,
) -> Result<Tensor, OpError> {
    let options = CastOptions { saturate, ..CastOptions::default() };
    Ok(Tensor::narrow_with(dtype, shape, Wide::F(values), options)?)
}

/// The zero points in input `index` (absent: one zero): one value, or `count` of them.
pub(crate) fn zero_points(cx: &EvalCx<'_>, index: usize, count: usize) -> Result<Vec<i64>, OpError> {
    let Some(tensor) = cx.optional_tensor(index)? else { return Ok(vec![0]) };
    let values = tensor.to_i64s()?;
    if values.len() == 1 || values.len() == count {
        return Ok(values);
    }
    Err(OpError::shape(format!("input {index}: expected 1 or {count} values, got {}", values.len())))
}

/// Scales in input `index`: one value, or `count` of them.
pub(crate) fn scales(cx: &EvalCx<'_>, index: usize, count: usize) -> Result<Vec<f64>, OpError> {
    let values = crate::operand::floats(cx, index)?;
    if values.len() == 1 || values.len() == count {
        return Ok(values);
    }
    Err(OpError::shape(format!("input {index}: expected 1 or {count} values, got {}", values.len())))
}

/// The values less their zero points, of which there is one for all or one for each equal run of values.
pub(crate) fn centered(mut values: Vec<i64>, zeros: &[i64]) -> Vec<i64> {
    let run = values.len().checked_div(zeros.len()).unwrap_or(0).max(1);
    for (at, value) in values.iter_mut().enumerate() {
        *value = value.wrapping_sub(zeros.get(at / run).copied().unwrap_or(0));
    }
    values
}

/// The quantised value of a sum of products: `round(sum · factor) + zero` in single precision, saturated.
pub(crate) fn requantized(sum: i64, factor: f32, zero: f64, range: (f64, f64)) -> f64 {
    round_and_saturate(f64::from(sum as f32 * factor), zero, range)
}

/// The factor that turns a sum of products into the scale of the result.
pub(crate) fn requantization_factor(a: f64, b: f64, y: f64) -> f32 {
    a as f32 * b as f32 / y as f32
}

/// Checks that zero points have the shape of the scales; a single one may be a scalar or a vector.
pub(crate) fn check_zero_point(index: usize, zero: &Tensor, scale: &Tensor) -> Result<(), OpError> {
    let single = zero.len() == 1 && scale.len() == 1;
    if single { Ok(()) } else { crate::operand::check_shape(index, zero, scale.shape()) }
}
