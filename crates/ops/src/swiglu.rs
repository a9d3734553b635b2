//! `SwiGLU`: <https://onnx.ai/onnx/operators/onnx__SwiGLU.html>

use lehr_graph::{Builder, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_kernels::elementwise::{self, BinaryOp, Operand, UnaryOp};

use lehr_tensor::Tensor;

use crate::cpu::{Kernel, RunCx};
use crate::elementwise::{Binary, binary, common_dtype, map_float};
use crate::elementwise_cpu::{cpu_op, two_f32};
use crate::formula::Formula;
use crate::swish::Swish;

declare_op! {
    /// a / (1 + e^(-alpha·a)) · b for two inputs of one shape.
    pub struct SwiGLU("", "SwiGLU", 28) inputs(2, 2) outputs(1, 1) flags(ELEMENTWISE) {
        /// Factor inside of the sigmoid.
        alpha: f32 = 1.0,
    }
}

impl Op for SwiGLU {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = common_dtype(cx)?;
        if let (Some(a), Some(b)) = (cx.shape(0), cx.shape(1))
            && a.equal(b) == Some(false)
        {
            return Err(OpError::shape(format!("input 1: expected shape {a}, as input 0, got {b}")));
        }
        cx.set_tensor(0, dtype, cx.shape(0).or(cx.shape(1)).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (a, b) = (cx.tensor(0)?, cx.tensor(1)?);
        if a.shape() != b.shape() {
            return Err(OpError::shape(format!(
                "input 1: expected shape {:?}, as input 0, got {:?}",
                a.shape(),
                b.shape()
            )));
        }
        let alpha = f64::from(self.alpha);
        let gate = map_float(a, |x| x / (1.0 + (-alpha * x).exp()))?;
        let product = Binary { float: |x, y| x * y, signed: |_, _| None, unsigned: |_, _| None };
        cx.set(0, binary(&gate, b, &product)?);
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (mut f, a) = Formula::on(builder, 0)?;
        let b = f.input(1)?;
        let gate = f.apply(Swish { alpha: self.alpha }, a)?;
        let y = f.mul(gate, b)?;
        f.finish(y)
    }
}

cpu_op!(SwiGLU, two_f32, |op| SwiGluKernel { alpha: op.alpha });

struct SwiGluKernel {
    alpha: f32,
}

impl Kernel for SwiGluKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let (a, b) = (cx.tensor(0)?.shape().to_vec(), cx.tensor(1)?.shape());
        if a != b {
            return Err(OpError::shape(format!("input 1: expected shape {a:?}, as input 0, got {b:?}")));
        }
        let mut y = cx.take_f32(0)?;
        elementwise::unary_in_place(cx.team, cx.isa, UnaryOp::Swish { alpha: self.alpha }, &mut y);
        let b = cx.tensor(1)?.as_slice::<f32>()?;
        elementwise::binary(cx.team, cx.isa, BinaryOp::Mul, Operand::Target, Operand::Each(&b), &mut y);
        cx.set(0, Tensor::from_vec(&a, y)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn gates() {
        let (a, b) = (f32s(&[3], &[-1.0, 0.5, 2.0]), f32s(&[3], &[2.0, 3.0, -1.0]));
        let y = f32s(&[3], &[-0.364_851_06, 1.018_768_1, -1.905_148_3]);
        Case::new(SwiGLU { alpha: 1.5 }).input(a.clone()).input(b).expect(y);
        Case::new(SwiGLU { alpha: 1.5 }).input(a).input(f32s(&[1], &[1.0])).expect_error("expected shape");
    }
}
