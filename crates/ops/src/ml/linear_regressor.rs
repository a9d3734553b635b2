//! `LinearRegressor`: <https://onnx.ai/onnx/operators/onnx_aionnxml_LinearRegressor.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::DataType;

use super::linear_classifier::Weights;
use super::scores::{Examples, PostTransform, infer_regressor, matrix};

declare_op! {
    /// `w·x + b` for every target.
    pub struct LinearRegressor("ai.onnx.ml", "LinearRegressor", 1) inputs(1, 1) outputs(1, 1) flags() {
        /// Transform of the results.
        post_transform: PostTransform = PostTransform::None,
        /// Targets × features.
        coefficients: Option<Vec<f32>> = None,
        /// Number of targets.
        targets: i64 = 1,
        /// One number per target.
        intercepts: Option<Vec<f32>> = None,
    }
}

impl Op for LinearRegressor {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let targets = u64::try_from(self.targets).map_or(Dim::Unknown, Dim::Fixed);
        infer_regressor(cx, Some(DataType::F32), targets)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = Examples::new(cx, 0)?;
        let coefficients = self.coefficients.as_deref().unwrap_or_default();
        let weights = Weights::new(coefficients, self.intercepts.as_deref(), x.features)?;
        if usize::try_from(self.targets) != Ok(weights.targets) {
            return Err(OpError::attribute(
                "targets",
                format!("expected {} for these coefficients, got {}", weights.targets, self.targets),
            ));
        }
        let row = |example: &[f64]| {
            let mut scores = weights.scores(example);
            self.post_transform.apply(&mut scores);
            scores
        };
        let rows = x.iter().map(row).collect();
        cx.set(0, matrix(rows, weights.targets, DataType::F32)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn two_targets() {
        let op = LinearRegressor {
            post_transform: PostTransform::None,
            coefficients: Some(vec![0.3, -0.2, 0.1, 0.2]),
            targets: 2,
            intercepts: Some(vec![0.1, 0.2]),
        };
        Case::new(op).input(f32s(&[1, 2], &[-1.0, 0.5])).expect(f32s(&[1, 2], &[-0.3, 0.2]));
    }
}
