//! What the fused normalisations share: statistics of the last axis in single precision, as standard operators.

use lehr_graph::{Builder, InferCx, OpError, ValueId};
use lehr_tensor::DataType;

use crate::add::Add;
use crate::mul::Mul;
pub(crate) use crate::standardize::cast;
use crate::standardize::{Standardized, standardized};
use crate::sub::Sub;

/// A normalised value and its statistics.
pub(crate) struct Normalized {
    /// `(x − mean)/√(variance + ε)·gamma + beta`, in the type of x.
    pub y: ValueId,
    /// Mean of the last axis; absent without centring.
    pub mean: Option<ValueId>,
    /// `1/√(variance + ε)`.
    pub inverse: ValueId,
}

/// Normalises along the last axis; without centring the mean counts as zero.
pub(crate) fn normalized(
    builder: &mut Builder,
    x: ValueId,
    gamma: ValueId,
    beta: Option<ValueId>,
    epsilon: f32,
    centered: bool,
) -> Result<Normalized, OpError> {
    let dtype = builder.dtype(x)?;
    let wide = if dtype == DataType::F64 { dtype } else { DataType::F32 };
    let Standardized { y, mean, inverse } = standardized(builder, x, &[-1], epsilon, wide, centered)?;
    let gamma = cast(builder, gamma, wide)?;
    let mut y = builder.call(Mul {}, &[y, gamma])?;
    if let Some(beta) = beta {
        let beta = cast(builder, beta, wide)?;
        y = builder.call(Add {}, &[y, beta])?;
    }
    let y = cast(builder, y, dtype)?;
    Ok(Normalized { y, mean, inverse })
}

/// Outputs: the normalised value, mean, inverse deviation, and the sum that was normalised.
pub(crate) fn infer_skip_normalization(cx: &mut InferCx<'_>) -> Result<(), OpError> {
    let (dtype, shape) = (cx.dtype(0)?, cx.shape(0).cloned());
    let statistics = shape.clone().map(|mut shape| {
        if let Some(last) = shape.dims_mut().last_mut() {
            *last = lehr_graph::Dim::Fixed(1);
        }
        shape
    });
    cx.set_tensor(0, dtype, shape.clone());
    cx.set_tensor(1, Some(DataType::F32), statistics.clone());
    cx.set_tensor(2, Some(DataType::F32), statistics);
    cx.set_tensor(3, dtype, shape);
    Ok(())
}

/// Normalises the sum of inputs 0, 1 and `bias`, and sets the four outputs.
pub(crate) fn skip_normalization(
    builder: &mut Builder,
    beta: Option<ValueId>,
    bias: Option<ValueId>,
    epsilon: f32,
    centered: bool,
) -> Result<bool, OpError> {
    let (x, skip, gamma) = (builder.require(0)?, builder.require(1)?, builder.require(2)?);
    let mut sum = builder.call(Add {}, &[x, skip])?;
    if let Some(bias) = bias {
        sum = builder.call(Add {}, &[sum, bias])?;
    }
    let normalized = normalized(builder, sum, gamma, beta, epsilon, centered)?;
    builder.output(0, normalized.y);
    if builder.n_outputs() > 1 {
        // The mean that a normalisation without centring assumes.
        let mean = match normalized.mean {
            Some(mean) => mean,
            None => builder.call(Sub {}, &[normalized.inverse, normalized.inverse])?,
        };
        builder.output(1, mean);
    }
    builder.output(2, normalized.inverse);
    builder.output(3, sum);
    Ok(true)
}
