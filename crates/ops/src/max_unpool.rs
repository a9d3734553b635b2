//! `MaxUnpool`: <https://onnx.ai/onnx/operators/onnx__MaxUnpool.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, declare_op};
use lehr_tensor::{Tensor, checked_len};

use crate::operand::{bounded_len, check_shape, exact};
use crate::window::{image_shape, kernel_sizes, list};

declare_op! {
    /// Puts each element of x where input 1 says (positions in the whole result that kernel, strides and pads give) and
    /// zeros elsewhere; input 2 names a larger shape that holds that result at its beginning.
    pub struct MaxUnpool("", "MaxUnpool", 22) inputs(2, 3) outputs(1, 1) flags() {
        /// Sizes of the window.
        kernel_shape: Vec<i64>,
        /// Padding: all beginnings, then all ends.
        pads: Option<Vec<i64>> = None,
        /// Steps between windows along each axis.
        strides: Option<Vec<i64>> = None,
    }
}

impl MaxUnpool {
    /// Kernel, stride and padding of each axis.
    fn lists(&self) -> Result<Vec<[usize; 3]>, OpError> {
        let kernel = kernel_sizes(&self.kernel_shape)?;
        let n = kernel.len();
        let strides = list("strides", self.strides.as_deref(), n, 1, 1)?;
        let pads = list("pads", self.pads.as_deref(), 2 * n, 0, 0)?;
        Ok((0..n).map(|i| [kernel[i], strides[i], pads[i] + pads[n + i]]).collect())
    }
}

#[cold]
fn misfit(shape: &str, axes: usize) -> OpError {
    OpError::shape(format!("input 0: expected rank {}, got {shape}", axes + 2))
}

impl Op for MaxUnpool {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let axes = self.lists()?;
        if cx.has_input(2) {
            let shape = cx.known(2).and_then(|known| known.to_shape());
            cx.set_tensor(0, dtype, shape.or_else(|| cx.rank(0).map(Shape::unknown)));
            return Ok(());
        }
        let Some(shape) = cx.shape(0) else {
            cx.set_tensor(0, dtype, Some(Shape::unknown(axes.len() + 2)));
            return Ok(());
        };
        let [batch, channels, spatial @ ..] = shape.dims() else {
            return Err(misfit(&shape.to_string(), axes.len()));
        };
        if spatial.len() != axes.len() {
            return Err(misfit(&shape.to_string(), axes.len()));
        }
        // (size - 1) · stride - padding + kernel, with the subtraction last.
        let size = |(dim, [kernel, stride, padding]): (&Dim, &[usize; 3])| {
            dim.mul(&Dim::from(*stride)).add(&Dim::from(*kernel)).sub(&Dim::from(stride + padding))
        };
        let spatial = spatial.iter().zip(&axes).map(size).collect();
        cx.set_tensor(0, dtype, Some(image_shape(batch, channels.clone(), spatial)));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let axes = self.lists()?;
        if x.rank() != axes.len() + 2 {
            return Err(misfit(&format!("{:?}", x.shape()), axes.len()));
        }
        check_shape(1, cx.tensor(1)?, x.shape())?;
        let mut natural = x.shape()[..2].to_vec();
        for (&size, [kernel, stride, padding]) in x.shape()[2..].iter().zip(&axes) {
            let full = size.checked_sub(1).and_then(|s| s.checked_mul(*stride)?.checked_add(*kernel));
            natural.push(full.and_then(|full| full.checked_sub(*padding)).ok_or_else(|| {
                OpError::shape(format!(
                    "size {size} gives no result with stride {stride} and padding {padding}"
                ))
            })?);
        }
        let len = bounded_len(cx, x.dtype(), &natural)?;
        let mut y = vec![0.0; len];
        for (value, at) in x.to_f64s()?.into_iter().zip(cx.ints(1)?) {
            let slot = usize::try_from(at).ok().and_then(|at| y.get_mut(at));
            *slot.ok_or_else(|| {
                OpError::value(format!("position {at}: expected 0 to {}", len.saturating_sub(1)))
            })? = value;
        }
        let y = match cx.optional_ints(2)? {
            Some(shape) => enlarged(cx, x, &natural, y, &shape)?,
            None => exact(x.dtype(), &natural, y)?,
        };
        cx.set(0, y);
        Ok(())
    }
}

/// `values` of shape `natural` at the beginning of zeros of shape `target`.
fn enlarged(
    cx: &EvalCx<'_>,
    x: &Tensor,
    natural: &[usize],
    values: Vec<f64>,
    target: &[i64],
) -> Result<Tensor, OpError> {
    let shape: Option<Vec<usize>> = target.iter().map(|&size| usize::try_from(size).ok()).collect();
    let fits =
        |shape: &Vec<usize>| shape.len() == natural.len() && shape.iter().zip(natural).all(|(a, b)| a >= b);
    let shape = shape.filter(fits).ok_or_else(|| {
        OpError::value(format!("input 2: {target:?} does not hold a result of shape {natural:?}"))
    })?;
    let mut y = vec![0.0; bounded_len(cx, x.dtype(), &shape)?];
    let row = natural.last().copied().unwrap_or(1);
    if checked_len(natural)? > 0 {
        for (index, values) in values.chunks_exact(row).enumerate() {
            let (mut rest, mut at, mut step) = (index, 0, shape.last().copied().unwrap_or(1));
            for (&own, &size) in natural.iter().zip(&shape).rev().skip(1) {
                at += rest % own * step;
                rest /= own;
                step *= size;
            }
            y[at..at + row].copy_from_slice(values);
        }
    }
    exact(x.dtype(), &shape, y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn scatters_and_enlarges() {
        let op = MaxUnpool { kernel_shape: vec![2, 2], pads: None, strides: Some(vec![2, 2]) };
        let x = f32s(&[1, 1, 1, 2], &[5., 6.]);
        let at = i64s(&[1, 1, 1, 2], &[1, 7]);
        let y = f32s(&[1, 1, 2, 4], &[0., 5., 0., 0., 0., 0., 0., 6.]);
        Case::new(op.clone()).input(x.clone()).input(at.clone()).expect(y);
        let large = f32s(&[1, 1, 2, 5], &[0., 5., 0., 0., 0., 0., 0., 0., 6., 0.]);
        let shape = i64s(&[4], &[1, 1, 2, 5]);
        Case::new(op.clone()).input(x.clone()).input(at).constant(shape).expect(large);
        Case::new(op).input(x).input(i64s(&[1, 1, 1, 2], &[0, 8])).expect_error("position 8");
    }
}
