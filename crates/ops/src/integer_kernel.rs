//! The fast way of MatMulInteger, QLinearMatMul, ConvInteger and QLinearConv: 8-bit products with 32-bit sums.

use std::sync::Arc;

use lehr_graph::{OpError, Signature};
use lehr_kernels::Isa;
use lehr_kernels::gemm::{Byte, gemm_i32};
use lehr_tensor::{DataType, Element, Tensor, checked_len};

use crate::conv_integer::ConvInteger;
use crate::convolution::{ConvAttributes, Convolution};
use crate::cpu::{CpuOp, Kernel, Packed, Recipe, RunCx, run_reference};
use crate::matmul_integer::MatMulInteger;
use crate::matrix_product::ProductShape;
use crate::operand::check_shape;
use crate::qlinear_conv::QLinearConv;
use crate::quantization::requantization_factor;

/// An 8-bit element of a tensor.
trait ByteElement: Byte + Element {}
impl ByteElement for u8 {}
impl ByteElement for i8 {}

/// Calls a function generic over two byte types with those of two tensors; `None` for other types.
macro_rules! with_bytes {
    ($a:expr, $b:expr, $f:ident($($argument:expr),*)) => {
        match ($a, $b) {
            (DataType::U8, DataType::U8) => Some($f::<u8, u8>($($argument),*)),
            (DataType::U8, DataType::I8) => Some($f::<u8, i8>($($argument),*)),
            (DataType::I8, DataType::U8) => Some($f::<i8, u8>($($argument),*)),
            (DataType::I8, DataType::I8) => Some($f::<i8, i8>($($argument),*)),
            _ => None,
        }
    };
}

macro_rules! unpacked_cpu_op {
    ($($op:ty, $kernel:ident, $a:literal, $b:literal);*) => {$(
        impl CpuOp for $op {
            fn choose(&self, io: &Signature<'_>, _isa: Isa) -> Option<Recipe> {
                let byte = |index| matches!(io.input_dtype(index), Some(DataType::U8 | DataType::I8));
                (byte($a) && byte($b)).then(|| Recipe::new("bytes"))
            }

            fn pack(&self, _recipe: &Recipe, _constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
                Ok(Packed::default())
            }

            fn bind(&self, _recipe: &Recipe, _packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
                Ok(Box::new($kernel(self.clone())))
            }
        }
    )*};
}
unpacked_cpu_op!(
    MatMulInteger, ProductKernel, 0, 1;
    ConvInteger, ConvKernel, 0, 1;
    QLinearConv, QLinearConvKernel, 0, 3
);

struct ProductKernel(MatMulInteger);

impl Kernel for ProductKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let (a, b) = (cx.tensor(0)?, cx.tensor(1)?);
        let shape = ProductShape::new(a.shape(), b.shape())?;
        match with_bytes!(a.dtype(), b.dtype(), multiply(cx, &shape, a, b)).transpose()?.flatten() {
            Some(sums) => {
                let y = Tensor::from_vec(&shape.output, sums)?;
                cx.set(0, y);
                Ok(())
            }
            None => run_reference(&self.0, cx),
        }
    }
}

/// The products; `None` when the zero points are spread in a way that the kernel does not know.
fn multiply<L: ByteElement, R: ByteElement>(
    cx: &RunCx<'_>,
    shape: &ProductShape,
    a: &Tensor,
    b: &Tensor,
) -> Result<Option<Vec<i32>>, OpError> {
    let ProductShape { m, k, n, .. } = *shape;
    let mut sums = vec![0; checked_len(&shape.output)?];
    let (Some(a_zero), Some(b_zero)) = (zeros::<L>(cx, 2, m)?, zeros::<R>(cx, 3, n)?) else {
        return Ok(None);
    };
    if sums.is_empty() {
        return Ok(Some(sums));
    }
    let (a, b) = (a.as_slice::<L>()?, b.as_slice::<R>()?);
    for ((pa, pb), c) in shape.pairs().zip(sums.chunks_exact_mut(m * n)) {
        gemm_i32(cx.team, cx.isa, m, n, k, &a[pa * m * k..], &a_zero, &b[pb * k * n..], &b_zero, c);
    }
    Ok(Some(sums))
}

/// Zero points: one for all, or `count` in a vector.
fn zeros<T: ByteElement>(cx: &RunCx<'_>, index: usize, count: usize) -> Result<Option<Vec<T>>, OpError> {
    let Some(tensor) = cx.optional_tensor(index)? else { return Ok(Some(vec![T::default()])) };
    let fits = tensor.len() == 1 || (tensor.rank() == 1 && tensor.len() == count);
    if fits { Ok(Some(tensor.as_slice::<T>()?.to_vec())) } else { Ok(None) }
}

struct ConvKernel(ConvInteger);

impl Kernel for ConvKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let Some((conv, sums)) = convolve(cx, &self.0.geometry(), (0, 2), (1, 3))? else {
            return run_reference(&self.0, cx);
        };
        let y = Tensor::from_vec(&conv.output(), sums)?;
        cx.set(0, y);
        Ok(())
    }
}

struct QLinearConvKernel(QLinearConv);

impl Kernel for QLinearConvKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let y_zero = cx.optional_tensor(7)?.filter(|zero| zero.len() == 1);
        let Some(y_zero) = y_zero.filter(|zero| matches!(zero.dtype(), DataType::U8 | DataType::I8)) else {
            return run_reference(&self.0, cx);
        };
        let y_zero = (y_zero.dtype(), y_zero.to_i64s()?.first().copied().unwrap_or(0) as i32);
        let Some((conv, mut sums)) = convolve(cx, &self.0.geometry(), (0, 2), (3, 5))? else {
            return run_reference(&self.0, cx);
        };
        let channels = conv.out_channels;
        let plane = conv.window.output_len().max(1);
        if let Some(bias) = cx.optional_tensor(8)? {
            check_shape(8, bias, &[channels])?;
            let bias = bias.as_slice::<i32>()?;
            for (row, bias) in sums.chunks_exact_mut(plane).zip(bias.iter().cycle()) {
                row.iter_mut().for_each(|sum| *sum = sum.wrapping_add(*bias));
            }
        }
        let factors = factors(cx, channels)?;
        let y = requantize(&conv.output(), &sums, plane, &factors, y_zero)?;
        cx.set(0, y);
        Ok(())
    }
}

/// One factor per output channel.
fn factors(cx: &RunCx<'_>, channels: usize) -> Result<Vec<f32>, OpError> {
    let single = |index: usize| Ok::<f64, OpError>(f64::from(cx.tensor(index)?.reshape(&[])?.item::<f32>()?));
    let (x, y) = (single(1)?, single(6)?);
    let w = cx.tensor(4)?;
    let scales = w.as_slice::<f32>()?;
    if scales.len() != 1 && scales.len() != channels {
        return Err(OpError::shape(format!(
            "input 4: expected 1 or {channels} values, got {}",
            scales.len()
        )));
    }
    let factor = |w: &f32| requantization_factor(x, f64::from(*w), y);
    Ok(scales.iter().cycle().take(channels).map(factor).collect())
}

fn requantize(
    shape: &[usize],
    sums: &[i32],
    plane: usize,
    factors: &[f32],
    (dtype, zero): (DataType, i32),
) -> Result<Tensor, OpError> {
    let (low, high) = if dtype == DataType::U8 { (0.0, 255.0) } else { (-128.0, 127.0) };
    let mut codes = Vec::with_capacity(sums.len());
    for (row, factor) in sums.chunks_exact(plane).zip(factors.iter().cycle()) {
        codes.extend(row.iter().map(|&sum| {
            let value = (sum as f32 * factor).round_ties_even() + zero as f32;
            value.clamp(low, high) as i32 as u8
        }));
    }
    Ok(Tensor::from_codes(dtype, shape, &codes)?)
}

/// The sums of an integer convolution of two inputs with their zero points; `None` when a kernel lacks.
fn convolve(
    cx: &RunCx<'_>,
    attributes: &ConvAttributes<'_>,
    (x, x_zero): (usize, usize),
    (w, w_zero): (usize, usize),
) -> Result<Option<(Convolution, Vec<i32>)>, OpError> {
    let (x_tensor, w_tensor) = (cx.tensor(x)?, cx.tensor(w)?);
    let conv = attributes.fit(x_tensor.shape(), w_tensor.shape())?;
    let done = with_bytes!(
        w_tensor.dtype(),
        x_tensor.dtype(),
        convolve_bytes(cx, &conv, (w_tensor, w_zero), (x_tensor, x_zero))
    );
    Ok(done.transpose()?.flatten().map(|sums| (conv, sums)))
}

fn convolve_bytes<L: ByteElement, R: ByteElement>(
    cx: &RunCx<'_>,
    conv: &Convolution,
    (w, w_zero): (&Tensor, usize),
    (x, x_zero): (&Tensor, usize),
) -> Result<Option<Vec<i32>>, OpError> {
    let mut sums = vec![0; checked_len(&conv.output())?];
    let zeros = (zeros::<L>(cx, w_zero, conv.out_channels)?, zeros::<R>(cx, x_zero, 1)?);
    let (Some(w_zero), Some(x_zero)) = zeros else { return Ok(None) };
    if sums.is_empty() {
        return Ok(Some(sums));
    }
    let (w, x) = (w.as_slice::<L>()?, x.as_slice::<R>()?);
    let (c_in, c_out) = (conv.in_channels / conv.groups, conv.out_channels / conv.groups);
    let (input, pixels, taps) = (conv.window.input_len(), conv.window.output_len(), conv.window.kernel_len());
    let k = c_in * taps;
    // Padding is the zero point, which the product takes off again.
    let mut columns = vec![x_zero[0]; checked_len(&[k, pixels])?];
    for (index, c) in sums.chunks_exact_mut(c_out * pixels).enumerate() {
        let group = index % conv.groups;
        let x = &x[index * c_in * input..][..c_in * input];
        conv.window.for_each(|at, _, places| {
            for channel in 0..c_in {
                for place in places {
                    columns[(channel * taps + place.kernel) * pixels + at] = x[channel * input + place.input];
                }
            }
        });
        let zero = if w_zero.len() == 1 { &w_zero[..] } else { &w_zero[group * c_out..][..c_out] };
        let w = &w[group * c_out * k..][..c_out * k];
        gemm_i32(cx.team, cx.isa, c_out, pixels, k, w, zero, &columns, &x_zero, c);
    }
    Ok(Some(sums))
}
