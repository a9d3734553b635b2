//! `Gelu`: <https://onnx.ai/onnx/operators/onnx__Gelu.html>

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use lehr_graph::{Builder, EvalCx, InferCx, Op, OpError, attribute_enum, declare_op};
use lehr_kernels::elementwise::UnaryOp;

use crate::elementwise::{eval_float, infer_same};
use crate::elementwise_cpu::{UnaryKernel, all_f32, cpu_op};
use crate::erf::Erf;
use crate::error_function::erf;
use crate::formula::Formula;
use crate::tanh::Tanh;

attribute_enum! {
    /// Whether and how the function is approximated.
    pub enum Approximation {
        /// The exact function.
        None = "none",
        /// By a hyperbolic tangent.
        Tanh = "tanh",
    }
}

declare_op! {
    /// x / 2 · (1 + erf(x / √2)), or x / 2 · (1 + tanh(√(2 / π) · (x + 0.044715 x³))).
    pub struct Gelu("", "Gelu", 20) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {
        /// Whether and how the function is approximated.
        approximate: Approximation = Approximation::None,
    }
}

impl Op for Gelu {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        match self.approximate {
            Approximation::None => eval_float(cx, |x| 0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2))),
            Approximation::Tanh => {
                let scale = (2.0 / PI).sqrt();
                eval_float(cx, |x| 0.5 * x * (1.0 + (scale * (x + 0.044_715 * x.powi(3))).tanh()))
            }
        }
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (mut f, x) = Formula::on(builder, 0)?;
        let inner = match self.approximate {
            Approximation::None => {
                let scaled = f.scale(x, FRAC_1_SQRT_2)?;
                f.apply(Erf {}, scaled)?
            }
            Approximation::Tanh => {
                let square = f.mul(x, x)?;
                let cube = f.mul(square, x)?;
                let bent = f.scale(cube, 0.044_715)?;
                let sum = f.add(x, bent)?;
                let scaled = f.scale(sum, (2.0 / PI).sqrt())?;
                f.apply(Tanh {}, scaled)?
            }
        };
        let gate = f.shift(inner, 1.0)?;
        let half = f.scale(x, 0.5)?;
        let y = f.mul(half, gate)?;
        f.finish(y)
    }
}

cpu_op!(Gelu, all_f32, |op| UnaryKernel(match op.approximate {
    Approximation::None => UnaryOp::Gelu,
    Approximation::Tanh => UnaryOp::GeluTanh,
}));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn exact_and_approximate() {
        let x = f32s(&[4], &[-2.0, -0.5, 0.5, 3.0]);
        let exact = f32s(&[4], &[-0.045_500_264, -0.154_268_77, 0.345_731_23, 2.995_950_2]);
        let tanh = f32s(&[4], &[-0.045_402_3, -0.154_286, 0.345_714, 2.996_362_7]);
        Case::new(Gelu { approximate: Approximation::None })
            .input(x.clone())
            .tolerance(1e-5, 1e-6)
            .expect(exact);
        Case::new(Gelu { approximate: Approximation::Tanh }).input(x).tolerance(1e-5, 1e-6).expect(tanh);
    }
}
