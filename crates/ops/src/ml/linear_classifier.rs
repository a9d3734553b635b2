//! `LinearClassifier`: <https://onnx.ai/onnx/operators/onnx_aionnxml_LinearClassifier.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::DataType;

use super::scores::{Examples, Labels, PostTransform, SecondScore, arg_max, infer_classifier, matrix};

declare_op! {
    /// One linear score per class (`w·x + b`), the label of the largest, and the transformed scores.
    ///
    /// One score for two labels decides by its sign, as in ONNX Runtime, and becomes the two scores `1 − s, s`.
    pub struct LinearClassifier("ai.onnx.ml", "LinearClassifier", 1) inputs(1, 1) outputs(2, 2) flags() {
        /// Transform of the scores.
        post_transform: PostTransform = PostTransform::None,
        /// Integer labels.
        classlabels_ints: Option<Vec<i64>> = None,
        /// Text labels.
        classlabels_strings: Option<Vec<String>> = None,
        /// Whether the scores are multinomial instead of one against the rest; has no influence here.
        multi_class: bool = false,
        /// One number per class.
        intercepts: Option<Vec<f32>> = None,
        /// Classes × features.
        coefficients: Vec<f32>,
    }
}

impl LinearClassifier {
    fn labels(&self) -> Labels<'_> {
        Labels::new(self.classlabels_ints.as_deref(), self.classlabels_strings.as_deref())
    }
}

impl Op for LinearClassifier {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let labels = self.labels();
        let scores = if labels.len() == 0 { Dim::Unknown } else { Dim::Fixed(labels.len() as u64) };
        infer_classifier(cx, labels.dtype(), scores)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let labels = self.labels();
        let x = Examples::new(cx, 0)?;
        let weights = Weights::new(&self.coefficients, self.intercepts.as_deref(), x.features)?;
        let expands = weights.targets == 1 && labels.len() == 2;
        let (mut classes, mut rows) = (Vec::with_capacity(x.count), Vec::with_capacity(x.count));
        for example in x.iter() {
            let mut scores = weights.scores(example);
            if expands {
                let score = scores[0];
                classes.push(usize::from(score > 0.0));
                rows.push(self.post_transform.expand(score, SecondScore::Complement));
            } else {
                classes.push(arg_max(&scores));
                self.post_transform.apply(&mut scores);
                rows.push(scores);
            }
        }
        let width = if expands { 2 } else { weights.targets };
        cx.set(0, labels.of(&classes)?);
        cx.set(1, matrix(rows, width, DataType::F32)?);
        Ok(())
    }
}

/// Coefficients of several linear functions.
pub(crate) struct Weights<'a> {
    coefficients: &'a [f32],
    intercepts: &'a [f32],
    features: usize,
    /// Number of functions.
    pub targets: usize,
}

impl<'a> Weights<'a> {
    /// As many functions as the coefficients hold for `features`.
    pub(crate) fn new(
        coefficients: &'a [f32],
        intercepts: Option<&'a [f32]>,
        features: usize,
    ) -> Result<Self, OpError> {
        let targets = coefficients.len().checked_div(features).unwrap_or(0);
        if targets == 0 || targets * features != coefficients.len() {
            return Err(OpError::attribute(
                "coefficients",
                format!("expected a multiple of {features} features, got {}", coefficients.len()),
            ));
        }
        let intercepts = intercepts.unwrap_or_default();
        if !intercepts.is_empty() && intercepts.len() != targets {
            return Err(OpError::attribute(
                "intercepts",
                format!("expected {targets} numbers, got {}", intercepts.len()),
            ));
        }
        Ok(Self { coefficients, intercepts, features, targets })
    }

    /// The values of the functions for one example.
    pub(crate) fn scores(&self, example: &[f64]) -> Vec<f64> {
        let value = |(target, row): (usize, &[f32])| {
            let dot: f64 = row.iter().zip(example).map(|(&w, x)| f64::from(w) * x).sum();
            dot + self.intercepts.get(target).copied().map_or(0.0, f64::from)
        };
        self.coefficients.chunks_exact(self.features).enumerate().map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};
    use lehr_tensor::Tensor;

    // Numbers of ONNX Runtime.
    #[test]
    fn two_and_three_classes() {
        let x = f32s(&[2, 2], &[1.0, 2.0, -1.0, 0.5]);
        let op = LinearClassifier {
            post_transform: PostTransform::Logistic,
            classlabels_ints: Some(vec![7, 9]),
            classlabels_strings: None,
            multi_class: false,
            intercepts: Some(vec![0.2]),
            coefficients: vec![0.3, -0.2],
        };
        Case::new(op.clone()).input(x.clone()).expect_all(vec![
            i64s(&[2], &[9, 7]).into(),
            f32s(&[2, 2], &[0.4750208, 0.5249792, 0.549834, 0.450166]).into(),
        ]);
        let three = LinearClassifier {
            post_transform: PostTransform::Softmax,
            classlabels_ints: None,
            classlabels_strings: Some(["a", "b", "c"].map(String::from).to_vec()),
            intercepts: Some(vec![0.1, 0.0, 0.2]),
            coefficients: vec![0.3, -0.2, -0.5, 0.4, 0.1, 0.1],
            ..op
        };
        Case::new(three).input(x).expect_all(vec![
            Tensor::from_strings(&[2], vec!["c".into(), "b".into()]).unwrap().into(),
            f32s(&[2, 3], &[0.25008878, 0.33758453, 0.41232666, 0.18915771, 0.51418394, 0.29665837]).into(),
        ]);
    }
}
