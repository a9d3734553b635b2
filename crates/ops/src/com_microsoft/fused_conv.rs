//! `com.microsoft` `FusedConv`:
//! <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.FusedConv>

use lehr_graph::{AxisMap, Cost, EvalCx, InferCx, Op, OpError, Signature, attribute_enum, declare_op};
use lehr_kernels::elementwise::UnaryOp;
use lehr_kernels::gemm::Activation;

use crate::conv::{conv_sums, infer_conv};
use crate::conv_kernel::{FastConv, conv_cpu_op};
use crate::convolution::{ConvAttributes, conv_axes, conv_cost, conv_of};
use crate::operand::{check_shape, optional_floats, rounded};
use crate::window::AutoPad;

attribute_enum! {
    /// What is applied to the sums.
    pub enum FusedActivation {
        /// `max(x, 0)`.
        Relu = "Relu",
        /// `tanh(x)`.
        Tanh = "Tanh",
        /// `1 / (1 + e^-x)`.
        Sigmoid = "Sigmoid",
        /// `x`, or `alpha · x` below zero.
        LeakyRelu = "LeakyRelu",
        /// Bounded.
        Clip = "Clip",
        /// `clamp(alpha · x + beta, 0, 1)`.
        HardSigmoid = "HardSigmoid",
        /// `x · clamp(x / 6 + 1 / 2, 0, 1)`.
        HardSwish = "HardSwish",
    }
}

declare_op! {
    /// `activation(conv(X, W) + B + Z)`.
    pub struct FusedConv("com.microsoft", "FusedConv", 1) inputs(2, 4) outputs(1, 1) flags() {
        /// Applied last.
        activation: Option<FusedActivation> = None,
        /// Parameters of the activation.
        activation_params: Option<Vec<f32>> = None,
        /// Padding rule.
        auto_pad: AutoPad = AutoPad::NotSet,
        /// Steps between kernel elements along each axis.
        dilations: Option<Vec<i64>> = None,
        /// Number of groups of channels that do not see each other.
        group: i64 = 1,
        /// Kernel sizes; those of the weights when absent.
        kernel_shape: Option<Vec<i64>> = None,
        /// Padding: all beginnings, then all ends.
        pads: Option<Vec<i64>> = None,
        /// Steps between windows along each axis.
        strides: Option<Vec<i64>> = None,
    }
}

impl FusedConv {
    /// Parameter `index` of the activation.
    ///
    /// # Errors
    /// [`OpError::Attribute`] when it is missing.
    fn parameter(&self, index: usize) -> Result<f32, OpError> {
        let parameters = self.activation_params.as_deref().unwrap_or_default();
        parameters.get(index).copied().ok_or_else(|| {
            OpError::attribute(
                "activation_params",
                format!("expected at least {}, got {}", index + 1, parameters.len()),
            )
        })
    }

    fn activate(&self, y: &mut [f64]) -> Result<(), OpError> {
        let parameter = |index| self.parameter(index).map(f64::from);
        match self.activation {
            None => {}
            Some(FusedActivation::Relu) => y.iter_mut().for_each(|y| *y = if *y < 0.0 { 0.0 } else { *y }),
            Some(FusedActivation::Tanh) => y.iter_mut().for_each(|y| *y = y.tanh()),
            Some(FusedActivation::Sigmoid) => y.iter_mut().for_each(|y| *y = 1.0 / (1.0 + (-*y).exp())),
            Some(FusedActivation::HardSwish) => {
                y.iter_mut().for_each(|y| *y *= (*y / 6.0 + 0.5).clamp(0.0, 1.0))
            }
            Some(FusedActivation::LeakyRelu) => {
                let alpha = parameter(0)?;
                y.iter_mut().filter(|y| **y < 0.0).for_each(|y| *y *= alpha);
            }
            Some(FusedActivation::Clip) => {
                let (low, high) = (parameter(0)?, parameter(1)?);
                y.iter_mut().for_each(|y| *y = y.max(low).min(high));
            }
            Some(FusedActivation::HardSigmoid) => {
                let (alpha, beta) = (parameter(0)?, parameter(1)?);
                y.iter_mut().for_each(|y| *y = (alpha * *y + beta).clamp(0.0, 1.0));
            }
        }
        Ok(())
    }
}

impl FastConv for FusedConv {
    fn geometry(&self) -> ConvAttributes<'_> {
        conv_of!(self)
    }

    fn activation(&self) -> Result<Activation, OpError> {
        let parameter = |index| self.parameter(index);
        Ok(match self.activation {
            None => Activation::None,
            Some(FusedActivation::Relu) => Activation::Relu,
            Some(FusedActivation::Tanh) => Activation::Unary(UnaryOp::Tanh),
            Some(FusedActivation::Sigmoid) => Activation::Unary(UnaryOp::Sigmoid),
            Some(FusedActivation::HardSwish) => Activation::Unary(UnaryOp::HardSwish),
            Some(FusedActivation::LeakyRelu) => {
                Activation::Unary(UnaryOp::LeakyRelu { slope: parameter(0)? })
            }
            Some(FusedActivation::Clip) => Activation::Clip { low: parameter(0)?, high: parameter(1)? },
            Some(FusedActivation::HardSigmoid) => {
                Activation::Unary(UnaryOp::HardSigmoid { alpha: parameter(0)?, beta: parameter(1)? })
            }
        })
    }
}

conv_cpu_op!(FusedConv);

impl Op for FusedConv {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_conv(&self.geometry(), cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (shape, mut y) = conv_sums(&self.geometry(), cx)?;
        if let Some(added) = optional_floats(cx, 3)? {
            check_shape(3, cx.tensor(3)?, &shape)?;
            y.iter_mut().zip(added).for_each(|(y, z)| *y += z);
        }
        self.activate(&mut y)?;
        let y = rounded(cx.tensor(0)?.dtype(), &shape, y)?;
        cx.set(0, y);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        conv_cost(io, 1)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        conv_axes(io, 0, 1, self.group).with_values_along(io, 1, &[2]).with_broadcast(io, &[3])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn adds_and_activates() {
        use FusedActivation::*;
        let x = f32s(&[1, 1, 3, 3], &[-0.5, 1., 2.5, 0.5, 2., 0., 1.5, -0.5, 1.]);
        let w = f32s(&[1, 1, 2, 2], &[-0.5, 1., 0.4, -0.2]);
        let z = f32s(&[1, 1, 2, 2], &[-0.5, -0.1, 0.3, 0.7]);
        for (activation, parameters, y) in [
            (None, None, [0.8, 2.95, 3.0, -0.45]),
            (Some(Relu), None, [0.8, 2.95, 3.0, 0.]),
            (Some(LeakyRelu), Some(vec![0.1]), [0.8, 2.95, 3.0, -0.045]),
            (Some(Clip), Some(vec![-0.5, 0.25]), [0.25, 0.25, 0.25, -0.45]),
            (Some(HardSigmoid), Some(vec![0.2, 0.5]), [0.66, 1., 1., 0.41]),
            (Some(Tanh), None, [0.664_036_8, 0.994_536, 0.995_054_8, -0.421_899]),
            (Some(Sigmoid), None, [0.689_974_5, 0.950_263_7, 0.952_574_1, 0.389_361]),
            (Some(HardSwish), None, [0.506_666_7, 2.925_416_7, 3., -0.191_25]),
        ] {
            let op = FusedConv {
                activation,
                activation_params: parameters,
                auto_pad: AutoPad::NotSet,
                dilations: None,
                group: 1,
                kernel_shape: None,
                pads: None,
                strides: None,
            };
            for w_constant in [false, true] {
                let case = Case::new(op.clone()).input(x.clone()).tolerance(2e-5, 1e-6);
                let case = if w_constant { case.constant(w.clone()) } else { case.input(w.clone()) };
                case.constant(f32s(&[1], &[0.25])).input(z.clone()).expect(f32s(&[1, 1, 2, 2], &y));
            }
        }
    }
}
