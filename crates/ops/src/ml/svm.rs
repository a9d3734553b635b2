//! What the support vector machines share: kernels.

use lehr_graph::{OpError, attribute_enum};

attribute_enum! {
    /// Similarity of two vectors.
    pub enum KernelType {
        /// `x·y`.
        Linear = "LINEAR",
        /// `(γ·x·y + c)^degree`.
        Poly = "POLY",
        /// `exp(−γ·|x − y|²)`.
        Rbf = "RBF",
        /// `tanh(γ·x·y + c)`.
        Sigmoid = "SIGMOID",
    }
}

/// A kernel with its parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernel {
    kind: KernelType,
    gamma: f64,
    coef0: f64,
    degree: f64,
}

impl Kernel {
    /// From the list γ, c, degree; all zero when there is none.
    pub(crate) fn new(kind: KernelType, parameters: Option<&[f32]>) -> Result<Self, OpError> {
        let [gamma, coef0, degree] = match parameters.unwrap_or_default() {
            [] => [0.0; 3],
            &[gamma, coef0, degree, ..] => [gamma, coef0, degree],
            short => {
                return Err(OpError::attribute(
                    "kernel_params",
                    format!("expected 3 numbers, got {}", short.len()),
                ));
            }
        };
        Ok(Self { kind, gamma: gamma.into(), coef0: coef0.into(), degree: degree.into() })
    }

    /// The similarity.
    pub(crate) fn of(&self, x: &[f64], y: &[f32]) -> f64 {
        let pairs = x.iter().zip(y).map(|(&a, &b)| (a, f64::from(b)));
        if self.kind == KernelType::Rbf {
            return (-self.gamma * pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f64>()).exp();
        }
        let dot: f64 = pairs.map(|(a, b)| a * b).sum();
        match self.kind {
            KernelType::Poly => (self.gamma * dot + self.coef0).powf(self.degree),
            KernelType::Sigmoid => (self.gamma * dot + self.coef0).tanh(),
            KernelType::Linear | KernelType::Rbf => dot,
        }
    }
}

/// A list that must have exactly `expected` numbers.
pub(crate) fn exactly<'a>(name: &str, list: &'a [f32], expected: usize) -> Result<&'a [f32], OpError> {
    if list.len() == expected {
        return Ok(list);
    }
    Err(OpError::attribute(name, format!("expected {expected} numbers, got {}", list.len())))
}
