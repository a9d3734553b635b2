//! Functions that a lowered operator applies to what it has computed.

use lehr_graph::{OpError, attribute_enum};
use lehr_kernels::elementwise::UnaryOp;
use lehr_kernels::gemm;

use crate::error_function::erf;

attribute_enum! {
    /// A function of one value; the parameters it has are named in brackets, in their order.
    pub enum Activation {
        /// `max(x, 0)`.
        Relu = "Relu",
        /// `x`, or `[alpha] · x` below zero.
        LeakyRelu = "LeakyRelu",
        /// `clamp(x, [low], [high])`.
        Clip = "Clip",
        /// `clamp([alpha] · x + [beta], 0, 1)`.
        HardSigmoid = "HardSigmoid",
        /// `x · clamp(x / 6 + 1 / 2, 0, 1)`.
        HardSwish = "HardSwish",
        /// `1 / (1 + e^-x)`.
        Sigmoid = "Sigmoid",
        /// `tanh(x)`.
        Tanh = "Tanh",
        /// `x / (1 + e^(-[alpha] · x))`.
        Swish = "Swish",
        /// `x / 2 · (1 + erf(x / √2))`.
        Gelu = "Gelu",
        /// `x / 2 · (1 + tanh(√(2 / π) · (x + 0.044715 · x³)))`.
        GeluTanh = "GeluTanh",
        /// `x`, or `[alpha] · (e^x - 1)` below zero.
        Elu = "Elu",
    }
}

impl Activation {
    /// How many parameters the function has.
    fn parameters(self) -> usize {
        match self {
            Self::Clip | Self::HardSigmoid => 2,
            Self::LeakyRelu | Self::Swish | Self::Elu => 1,
            Self::Relu | Self::HardSwish | Self::Sigmoid | Self::Tanh | Self::Gelu | Self::GeluTanh => 0,
        }
    }

    /// The first two of the parameters, zeros where the function has none.
    fn checked(self, parameters: &[f32]) -> Result<[f32; 2], OpError> {
        if parameters.len() != self.parameters() {
            return Err(OpError::attribute(
                "activation_params",
                format!("expected {} of them, got {}", self.parameters(), parameters.len()),
            ));
        }
        Ok([0, 1].map(|index| parameters.get(index).copied().unwrap_or(0.0)))
    }

    /// The kernel's form.
    ///
    /// # Errors
    /// Another number of parameters than the function has.
    pub(super) fn kernel(self, parameters: &[f32]) -> Result<gemm::Activation, OpError> {
        let [a, b] = self.checked(parameters)?;
        Ok(match self {
            Self::Relu => gemm::Activation::Relu,
            Self::Clip => gemm::Activation::Clip { low: a, high: b },
            Self::LeakyRelu => gemm::Activation::Unary(UnaryOp::LeakyRelu { slope: a }),
            Self::HardSigmoid => gemm::Activation::Unary(UnaryOp::HardSigmoid { alpha: a, beta: b }),
            Self::HardSwish => gemm::Activation::Unary(UnaryOp::HardSwish),
            Self::Sigmoid => gemm::Activation::Unary(UnaryOp::Sigmoid),
            Self::Tanh => gemm::Activation::Unary(UnaryOp::Tanh),
            Self::Swish => gemm::Activation::Unary(UnaryOp::Swish { alpha: a }),
            Self::Gelu => gemm::Activation::Unary(UnaryOp::Gelu),
            Self::GeluTanh => gemm::Activation::Unary(UnaryOp::GeluTanh),
            Self::Elu => gemm::Activation::Unary(UnaryOp::Elu { alpha: a }),
        })
    }

    /// The function of a value.
    ///
    /// # Errors
    /// As [`Activation::kernel`].
    pub(super) fn function(self, parameters: &[f32]) -> Result<impl Fn(f64) -> f64, OpError> {
        let [a, b] = self.checked(parameters)?.map(f64::from);
        Ok(move |x: f64| match self {
            Self::Relu => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Self::Clip => {
                if x.is_nan() {
                    x
                } else {
                    x.max(a).min(b)
                }
            }
            Self::LeakyRelu => {
                if x < 0.0 {
                    a * x
                } else {
                    x
                }
            }
            Self::HardSigmoid => (a * x + b).clamp(0.0, 1.0),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
            Self::Swish => x / (1.0 + (-a * x).exp()),
            Self::Gelu => 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Self::GeluTanh => {
                let slope = (2.0 / std::f64::consts::PI).sqrt();
                0.5 * x * (1.0 + (slope * (x + 0.044_715 * x * x * x)).tanh())
            }
            Self::Elu => {
                if x < 0.0 {
                    a * x.exp_m1()
                } else {
                    x
                }
            }
        })
    }
}
