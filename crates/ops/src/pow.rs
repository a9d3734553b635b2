//! `Pow`: <https://onnx.ai/onnx/operators/onnx__Pow.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, declare_op};
use lehr_kernels::elementwise::UnaryOp;
use lehr_tensor::{Tensor, Wide};

use crate::cpu::{Kernel, RunCx};
use crate::elementwise::{bounded_broadcast, infer_broadcast_as, zip_broadcast};
use crate::elementwise_cpu::{cpu_op, run_blocks, run_unary, run_zip, two_f32};
use crate::legacy_broadcast::align_legacy_operands;

declare_op! {
    /// a^b with numpy-style broadcasting, in the type of a.
    pub struct Pow("", "Pow", 15) inputs(2, 2) outputs(1, 1) flags(ELEMENTWISE)
    read(Self::read) {}
}

impl Pow {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let inputs = align_legacy_operands(cx)?;
        cx.emit(Self {}, inputs, 1)
    }
}

impl Op for Pow {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        cx.dtype(1)?;
        infer_broadcast_as(cx, dtype)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (a, b) = (cx.tensor(0)?, cx.tensor(1)?);
        let shape = bounded_broadcast(cx, &[a, b])?;
        let y = match (a.widen(), b.widen()) {
            (Wide::I(x), Wide::I(_) | Wide::U(_)) => {
                let exponents = b.to_i64s()?;
                let y = zip_broadcast((&x, a.shape()), (&exponents, b.shape()), &shape, integer_power);
                let y: Option<Vec<i64>> = y.into_iter().collect();
                Wide::I(y.ok_or_else(|| OpError::value("zero to a negative integer power"))?)
            }
            (base @ (Wide::F(_) | Wide::I(_)), _) => {
                let (x, exponents) = (a.to_f64s()?, b.to_f64s()?);
                let y = zip_broadcast((&x, a.shape()), (&exponents, b.shape()), &shape, f64::powf);
                match base {
                    Wide::F(_) => Wide::F(y),
                    _ => Wide::I(y.into_iter().map(|v| v as i64).collect()),
                }
            }
            _ => return Err(OpError::input_type(0, "a floating-point or signed integer type", a.dtype())),
        };
        cx.set(0, Tensor::narrow(a.dtype(), &shape, y)?);
        Ok(())
    }
}

/// Wraps on overflow; a negative exponent truncates the fraction, and has no value for a base of zero.
fn integer_power(base: i64, exponent: i64) -> Option<i64> {
    let odd = exponent & 1 == 1;
    if exponent < 0 {
        return match base {
            0 => None,
            1 => Some(1),
            -1 => Some(if odd { -1 } else { 1 }),
            _ => Some(0),
        };
    }
    let (mut result, mut square, mut left) = (1i64, base, exponent);
    while left > 0 {
        if left & 1 == 1 {
            result = result.wrapping_mul(square);
        }
        square = square.wrapping_mul(square);
        left >>= 1;
    }
    Some(result)
}

cpu_op!(Pow, two_f32, |_op| PowKernel);

/// Powers by one small constant as products; all others one by one.
struct PowKernel;

impl Kernel for PowKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let exponent = match &*cx.tensor(1)?.as_slice::<f32>()? {
            [only] if cx.tensor(1)?.rank() <= cx.tensor(0)?.rank() => Some(*only),
            _ => None,
        };
        match exponent {
            Some(0.5) => run_unary(cx, UnaryOp::Sqrt),
            Some(-1.0) => run_unary(cx, UnaryOp::Reciprocal),
            Some(2.0) => run_blocks(cx, |block| block.iter_mut().for_each(|x| *x *= *x)),
            Some(3.0) => run_blocks(cx, |block| block.iter_mut().for_each(|x| *x = x.powi(3))),
            _ => run_zip(cx, &f32::powf),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn mixed_types() {
        let x = f32s(&[3], &[1.0, 2.0, -3.0]);
        Case::new(Pow {}).input(x.clone()).constant(f32s(&[], &[2.0])).expect(f32s(&[3], &[1.0, 4.0, 9.0]));
        Case::new(Pow {}).input(x.clone()).constant(f32s(&[], &[3.0])).expect(f32s(&[3], &[1.0, 8.0, -27.0]));
        Case::new(Pow {})
            .input(x.clone())
            .constant(f32s(&[1], &[-1.0]))
            .expect(f32s(&[3], &[1.0, 0.5, -0.333_333_34]));
        Case::new(Pow {})
            .input(x.clone())
            .constant(f32s(&[], &[0.5]))
            .expect(f32s(&[3], &[1.0, std::f32::consts::SQRT_2, f32::NAN]));
        Case::new(Pow {})
            .input(x.clone())
            .input(f32s(&[3], &[0.0, -1.0, 2.0]))
            .expect(f32s(&[3], &[1.0, 0.5, 9.0]));
        Case::new(Pow {}).input(x).input(i64s(&[], &[3])).expect(f32s(&[3], &[1.0, 8.0, -27.0]));
        let x = i64s(&[4], &[3, -2, 1, 10]);
        Case::new(Pow {})
            .input(x.clone())
            .input(i64s(&[4], &[4, 3, -5, 0]))
            .expect(i64s(&[4], &[81, -8, 1, 1]));
        Case::new(Pow {}).input(x).input(f32s(&[], &[2.0])).expect(i64s(&[4], &[9, 4, 1, 100]));
        Case::new(Pow {}).input(i64s(&[1], &[0])).input(i64s(&[1], &[-1])).expect_error("zero to a negative");
    }
}
