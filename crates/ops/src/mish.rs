//! `Mish`: <https://onnx.ai/onnx/operators/onnx__Mish.html>

use lehr_graph::{Builder, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_kernels::elementwise::{UnaryOp, unary_in_place};

use crate::cpu::{Kernel, RunCx};
use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{BLOCK, all_f32, cpu_op, run_blocks};
use crate::formula::Formula;
use crate::softplus::{Softplus, softplus};
use crate::tanh::Tanh;

declare_op! {
    /// x·tanh(ln(1 + e^x)).
    pub struct Mish("", "Mish", 22) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {}
}

impl Op for Mish {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_float(cx, |x| x * softplus(x).tanh())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (mut f, x) = Formula::on(builder, 0)?;
        let soft = f.apply(Softplus {}, x)?;
        let gate = f.apply(Tanh {}, soft)?;
        let y = f.mul(x, gate)?;
        f.finish(y)
    }
}

cpu_op!(Mish, all_f32, |_op| MishKernel);

/// tanh(ln(1 + e)) = (e² + 2e) / (e² + 2e + 2) for e = e^x; from 20 on that is 1.
struct MishKernel;

impl Kernel for MishKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let (team, isa) = (cx.team, cx.isa);
        run_blocks(cx, |block| {
            let mut scratch = [0.0; BLOCK];
            let e = &mut scratch[..block.len()];
            e.iter_mut().zip(block.iter()).for_each(|(e, x)| *e = x.min(20.0));
            unary_in_place(team, isa, UnaryOp::Exp, e);
            for (x, e) in block.iter_mut().zip(e) {
                let n = *e * (*e + 2.0);
                *x *= n / (n + 2.0);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn known_values() {
        let x = f32s(&[5], &[-2.5, -0.5, 0.0, 0.5, 2.5]);
        let y = f32s(&[5], &[-0.196_816_25, -0.220_743_78, 0.0, 0.375_245_18, 2.471_392_4]);
        Case::new(Mish {}).input(x).expect(y);
    }
}
