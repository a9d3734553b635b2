//! `SVMRegressor`: <https://onnx.ai/onnx/operators/onnx_aionnxml_SVMRegressor.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::DataType;

use super::scores::{Examples, PostTransform, infer_regressor, matrix};
use super::svm::{Kernel, KernelType, exactly};

declare_op! {
    /// `Σ cᵢ·kernel(x, sᵢ) + ρ` over the support vectors, or `c·x + ρ` without any; the sign of it for one class.
    pub struct SvmRegressor("ai.onnx.ml", "SVMRegressor", 1) inputs(1, 1) outputs(1, 1) flags() {
        /// The kernel.
        kernel_type: KernelType = KernelType::Linear,
        /// γ, c and degree of the kernel.
        kernel_params: Option<Vec<f32>> = None,
        /// A transform of the single result, which none of them changes in the implementations that models are made for.
        post_transform: PostTransform = PostTransform::None,
        /// Support vectors × features.
        support_vectors: Option<Vec<f32>> = None,
        /// Give 1 or -1: inside or outside of the one class.
        one_class: bool = false,
        /// Number of support vectors; 0 for a linear function.
        n_supports: i64 = 0,
        /// One number per support vector, or per feature.
        coefficients: Option<Vec<f32>> = None,
        /// The ρ that is added.
        rho: Option<Vec<f32>> = None,
    }
}

impl Op for SvmRegressor {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_regressor(cx, Some(DataType::F32), Dim::Fixed(1))
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = Examples::new(cx, 0)?;
        let supports = usize::try_from(self.n_supports).map_err(|_| {
            OpError::attribute("n_supports", format!("expected a count, got {}", self.n_supports))
        })?;
        let coefficients = self.coefficients.as_deref().unwrap_or_default();
        let rho = match self.rho.as_deref() {
            Some(&[rho, ..]) => f64::from(rho),
            _ => return Err(OpError::attribute("rho", "expected one number")),
        };
        let linear = supports == 0;
        let kernel = Kernel::new(
            if linear { KernelType::Linear } else { self.kernel_type },
            self.kernel_params.as_deref(),
        )?;
        let vectors = self.support_vectors.as_deref().unwrap_or_default();
        exactly("coefficients", coefficients, if linear { x.features } else { supports })?;
        if !linear {
            exactly("support_vectors", vectors, supports.saturating_mul(x.features))?;
        }
        let value = |example: &[f64]| {
            let sum = if linear {
                kernel.of(example, coefficients)
            } else {
                let vector = |i: usize| &vectors[i * x.features..(i + 1) * x.features];
                (0..supports).map(|i| f64::from(coefficients[i]) * kernel.of(example, vector(i))).sum::<f64>()
            };
            let score = sum + rho;
            if !self.one_class {
                return score;
            }
            if score > 0.0 { 1.0 } else { -1.0 }
        };
        let rows = x.iter().map(|example| vec![value(example)]).collect();
        cx.set(0, matrix(rows, 1, DataType::F32)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    // Numbers of ONNX Runtime.
    #[test]
    fn kernels() {
        for (kernel_type, one_class, y) in [
            (KernelType::Linear, false, [-0.5, -0.4, 0.22]),
            (KernelType::Poly, false, [0.71975, -0.0015, 0.0623]),
            (KernelType::Rbf, false, [0.07288644, -0.23968469, 0.081815794]),
            (KernelType::Sigmoid, false, [-0.07055174, -0.15432976, 0.14433992]),
            (KernelType::Rbf, true, [1.0, -1.0, 1.0]),
        ] {
            let op = SvmRegressor {
                kernel_type,
                kernel_params: Some(vec![0.5, 0.1, 2.0]),
                post_transform: PostTransform::None,
                support_vectors: Some(vec![1.0, 0.0, 0.0, 1.0, -1.0, -1.0, 0.5, 0.5, -0.5, 0.2]),
                one_class,
                n_supports: 5,
                coefficients: Some(vec![0.1, -0.2, 0.3, 0.4, -0.5]),
                rho: Some(vec![0.05]),
            };
            Case::new(op)
                .tolerance(1e-5, 1e-6)
                .input(f32s(&[3, 2], &[1.0, 2.0, -1.0, 0.5, 0.2, -0.3]))
                .expect(f32s(&[3, 1], &y));
        }
    }
}
