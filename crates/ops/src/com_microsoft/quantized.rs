//! What the quantised operators share: values brought to real numbers and back by the standard operators.

use lehr_graph::{Builder, OpError, ValueId};
use lehr_tensor::DataType;

use crate::dequantize_linear::DequantizeLinear;
use crate::quantize_linear::QuantizeLinear;
use crate::reshape::Reshape;
use crate::shape::Shape as ShapeOf;

/// A zero point in the shape of its scale: some models have a scalar for one and a vector of one element for the other.
fn fitted(builder: &mut Builder, zero: ValueId, scale: ValueId) -> Result<ValueId, OpError> {
    if builder.shape(zero) == builder.shape(scale) {
        return Ok(zero);
    }
    let shape = builder.call(ShapeOf { start: 0, end: None }, &[scale])?;
    builder.call(Reshape { allowzero: false }, &[zero, shape])
}

/// `(x − zero)·scale` of the values at these positions of the node's inputs; the scales are along `axis`.
pub(crate) fn dequantized(
    builder: &mut Builder,
    x: usize,
    scale: usize,
    zero: usize,
    axis: i64,
) -> Result<ValueId, OpError> {
    let (x, scale) = (builder.require(x)?, builder.require(scale)?);
    let op = DequantizeLinear { axis, block_size: 0, output_dtype: None };
    match builder.input(zero) {
        Some(zero) => {
            let zero = fitted(builder, zero, scale)?;
            builder.call(op, &[x, scale, zero])
        }
        None => builder.call(op, &[x, scale]),
    }
}

/// `y/scale + zero`, rounded and saturated to `dtype`; scale and zero point are inputs of the node.
pub(crate) fn quantized(
    builder: &mut Builder,
    y: ValueId,
    scale: usize,
    zero: usize,
    dtype: DataType,
) -> Result<ValueId, OpError> {
    let scale = builder.require(scale)?;
    let op = QuantizeLinear { axis: 1, block_size: 0, output_dtype: None, precision: None, saturate: true };
    match builder.input(zero) {
        Some(zero) => {
            let zero = fitted(builder, zero, scale)?;
            builder.call(op, &[y, scale, zero])
        }
        None => builder.call(QuantizeLinear { output_dtype: Some(dtype), ..op }, &[y, scale]),
    }
}

/// Dequantises inputs 0 to 2, applies `f`, and quantises with inputs 3 and 4 to the type of input 0.
pub(crate) fn through_reals(
    builder: &mut Builder,
    f: impl FnOnce(&mut Builder, ValueId) -> Result<ValueId, OpError>,
) -> Result<bool, OpError> {
    let input = builder.require(0)?;
    let dtype = builder.dtype(input)?;
    let x = dequantized(builder, 0, 1, 2, 1)?;
    let y = f(builder, x)?;
    let y = quantized(builder, y, 3, 4, dtype)?;
    builder.output(0, y);
    Ok(true)
}
