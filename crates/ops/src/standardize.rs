//! Centring and scaling to unit variance as standard operators, of which normalisations consist.

use lehr_graph::{Builder, OpError, ValueId};
use lehr_tensor::DataType;

use crate::add::Add;
use crate::cast::Cast;
use crate::mul::Mul;
use crate::reciprocal::Reciprocal;
use crate::reduce_mean::ReduceMean;
use crate::sqrt::Sqrt;
use crate::sub::Sub;

/// A value with mean 0 and variance 1, and its statistics, in the type they were computed in.
pub(crate) struct Standardized {
    /// `(x − mean)/√(variance + ε)`.
    pub y: ValueId,
    /// Absent without centring.
    pub mean: Option<ValueId>,
    /// `1/√(variance + ε)`.
    pub inverse: ValueId,
}

/// A cast, where one is needed.
pub(crate) fn cast(builder: &mut Builder, x: ValueId, to: DataType) -> Result<ValueId, OpError> {
    if builder.dtype(x)? == to {
        return Ok(x);
    }
    builder.call(Cast::to(to), &[x])
}

fn mean_of(builder: &mut Builder, x: ValueId, axes: &[i64]) -> Result<ValueId, OpError> {
    let axes = builder.vector(axes);
    builder.call(ReduceMean { keepdims: true, noop_with_empty_axes: false }, &[x, axes])
}

/// Standardises with the statistics of `axes`, computed in type `wide`; without centring the mean counts as zero.
pub(crate) fn standardized(
    builder: &mut Builder,
    x: ValueId,
    axes: &[i64],
    epsilon: f32,
    wide: DataType,
    centered: bool,
) -> Result<Standardized, OpError> {
    let mut x = cast(builder, x, wide)?;
    let mut mean = None;
    if centered {
        let value = mean_of(builder, x, axes)?;
        x = builder.call(Sub {}, &[x, value])?;
        mean = Some(value);
    }
    let square = builder.call(Mul {}, &[x, x])?;
    let variance = mean_of(builder, square, axes)?;
    let epsilon = builder.scalar(wide, epsilon.into())?;
    let shifted = builder.call(Add {}, &[variance, epsilon])?;
    let root = builder.call(Sqrt {}, &[shifted])?;
    let inverse = builder.call(Reciprocal {}, &[root])?;
    let y = builder.call(Mul {}, &[x, inverse])?;
    Ok(Standardized { y, mean, inverse })
}

/// The axes from `axis` on; `None` when that takes the rank of `x`, which is not known.
pub(crate) fn trailing_axes(builder: &Builder, x: ValueId, axis: i64) -> Option<Vec<i64>> {
    if axis < 0 {
        return Some((axis..0).collect());
    }
    let rank = i64::try_from(builder.rank(x).ok()?).ok()?;
    Some((axis..rank).collect())
}
