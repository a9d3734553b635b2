//! What classifiers and regressors share: class labels, and the transform that turns raw scores into final ones.

use lehr_graph::{Dim, EvalCx, InferCx, OpError, attribute_enum};
use lehr_tensor::{DataType, Tensor, Wide};

attribute_enum! {
    /// The transform of raw scores.
    pub enum PostTransform {
        /// None.
        None = "NONE",
        /// `exp(x − max)` divided by its sum.
        Softmax = "SOFTMAX",
        /// `1/(1 + e⁻ˣ)`.
        Logistic = "LOGISTIC",
        /// As softmax, but scores of zero stay zero.
        SoftmaxZero = "SOFTMAX_ZERO",
        /// The inverse of the normal distribution function, approximately.
        Probit = "PROBIT",
    }
}

/// How a single score of a classifier with two classes becomes two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecondScore {
    /// `1 − s, s`: the score is a probability.
    Complement,
    /// `−s, s`: the score is a decision value.
    Negation,
}

impl PostTransform {
    /// The transform of all scores of one example, in place.
    ///
    /// A single score stays as it is but for `PROBIT`: softmax of one number says nothing, and ONNX Runtime, which
    /// models are made for, leaves it for `LOGISTIC` too.
    pub(crate) fn apply(self, scores: &mut [f64]) {
        match self {
            Self::Probit => scores.iter_mut().for_each(|s| *s = probit(*s)),
            _ if scores.len() < 2 => {}
            Self::None => {}
            Self::Logistic => scores.iter_mut().for_each(|s| *s = logistic(*s)),
            Self::Softmax => softmax(scores),
            Self::SoftmaxZero => softmax_zero(scores),
        }
    }

    /// The two final scores of a binary classifier that computes one; only `LOGISTIC` and `PROBIT` transform them.
    pub(crate) fn expand(self, score: f64, second: SecondScore) -> Vec<f64> {
        let (first, score) = match (self, second) {
            (Self::Logistic, _) => (logistic(-score), logistic(score)),
            (_, SecondScore::Complement) => (1.0 - score, score),
            (_, SecondScore::Negation) => (-score, score),
        };
        let both = vec![first, score];
        if self == Self::Probit { both.into_iter().map(probit).collect() } else { both }
    }
}

/// `1/(1 + e⁻ˣ)`.
pub(crate) fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softmax(scores: &mut [f64]) {
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores.iter_mut().for_each(|s| *s = (*s - max).exp());
    let sum: f64 = scores.iter().sum();
    scores.iter_mut().for_each(|s| *s /= sum);
}

fn softmax_zero(scores: &mut [f64]) {
    const ZERO: f64 = 1e-7;
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for s in scores.iter_mut() {
        *s = if s.abs() > ZERO { (*s - max).exp() } else { *s * (-max).exp() };
    }
    let sum: f64 = scores.iter().sum();
    for s in scores.iter_mut() {
        *s = if sum == 0.0 { 0.5 } else { *s / sum };
    }
}

/// Winitzki's approximation of the inverse error function, which the reference implementations use.
fn probit(x: f64) -> f64 {
    const A: f64 = 0.147;
    let x = 2.0 * x - 1.0;
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let v = 2.0 / (std::f64::consts::PI * A) + 0.5 * log;
    let root = (-v + (v * v - log / A).sqrt()).sqrt();
    std::f64::consts::SQRT_2 * if x < 0.0 { -root } else { root }
}

/// The labels of the classes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Labels<'a> {
    /// Numbers.
    Ints(&'a [i64]),
    /// Texts.
    Strings(&'a [String]),
    /// The positions of the classes.
    Positions,
}

impl<'a> Labels<'a> {
    /// Labels from the two attributes, of which one is there.
    pub(crate) fn new(ints: Option<&'a [i64]>, strings: Option<&'a [String]>) -> Self {
        match (ints.unwrap_or_default(), strings.unwrap_or_default()) {
            (ints @ [_, ..], _) => Self::Ints(ints),
            ([], strings @ [_, ..]) => Self::Strings(strings),
            ([], []) => Self::Positions,
        }
    }

    /// How many there are.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Ints(v) => v.len(),
            Self::Strings(v) => v.len(),
            Self::Positions => 0,
        }
    }

    /// Element type of the label output.
    pub(crate) fn dtype(self) -> DataType {
        if matches!(self, Self::Strings(_)) { DataType::String } else { DataType::I64 }
    }

    /// The labels of the given classes.
    pub(crate) fn of(self, classes: &[usize]) -> Result<Tensor, OpError> {
        let missing =
            |at: usize| OpError::value(format!("class {at} has no label, there are {} labels", self.len()));
        let wide = match self {
            Self::Positions => Wide::I(classes.iter().map(|&c| c as i64).collect()),
            Self::Ints(v) => Wide::I(
                classes
                    .iter()
                    .map(|&c| v.get(c).copied().ok_or_else(|| missing(c)))
                    .collect::<Result<_, _>>()?,
            ),
            Self::Strings(v) => Wide::S(
                classes
                    .iter()
                    .map(|&c| v.get(c).cloned().ok_or_else(|| missing(c)))
                    .collect::<Result<_, _>>()?,
            ),
        };
        Ok(Tensor::narrow(self.dtype(), &[classes.len()], wide)?)
    }
}

/// Index of the largest score; the first of equal ones.
pub(crate) fn arg_max(scores: &[f64]) -> usize {
    let mut best = 0;
    for (at, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = at;
        }
    }
    best
}

/// Examples × features of a numeric input.
pub(crate) struct Examples {
    values: Vec<f64>,
    /// Number of examples.
    pub count: usize,
    /// Number of features.
    pub features: usize,
}

impl Examples {
    /// Input `index`, of rank 2 or, for a single example, rank 1.
    pub(crate) fn new(cx: &EvalCx<'_>, index: usize) -> Result<Self, OpError> {
        let x = cx.tensor(index)?;
        let (count, features) = match *x.shape() {
            [features] => (1, features),
            [count, features] => (count, features),
            _ => {
                return Err(OpError::shape(format!(
                    "input {index}: expected examples × features, got shape {:?}",
                    x.shape()
                )));
            }
        };
        Ok(Self { values: x.to_f64s()?, count, features })
    }

    /// The examples one by one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[f64]> {
        (0..self.count).map(|n| &self.values[n * self.features..(n + 1) * self.features])
    }
}

/// Number of examples of input 0, as [`Examples::new`] counts them.
pub(crate) fn infer_count(cx: &InferCx<'_>) -> Result<Dim, OpError> {
    let Some(shape) = cx.shape(0) else { return Ok(Dim::Unknown) };
    match shape.dims() {
        [_] => Ok(Dim::Fixed(1)),
        [count, _] => Ok(count.clone()),
        _ => Err(OpError::shape(format!("input 0: expected examples × features, got {shape}"))),
    }
}

/// Outputs: one label per example, and `scores` scores for each.
pub(crate) fn infer_classifier(cx: &mut InferCx<'_>, labels: DataType, scores: Dim) -> Result<(), OpError> {
    let count = infer_count(cx)?;
    cx.set_tensor(0, Some(labels), Some([count.clone()].into_iter().collect()));
    cx.set_tensor(1, Some(DataType::F32), Some([count, scores].into_iter().collect()));
    Ok(())
}

/// Output: `targets` numbers per example.
pub(crate) fn infer_regressor(
    cx: &mut InferCx<'_>,
    dtype: Option<DataType>,
    targets: Dim,
) -> Result<(), OpError> {
    let count = infer_count(cx)?;
    cx.set_tensor(0, dtype, Some([count, targets].into_iter().collect()));
    Ok(())
}

/// Rows of equal length as a matrix.
pub(crate) fn matrix(rows: Vec<Vec<f64>>, width: usize, dtype: DataType) -> Result<Tensor, OpError> {
    let shape = [rows.len(), width];
    Ok(Tensor::narrow(dtype, &shape, Wide::F(rows.into_iter().flatten().collect()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_as_onnx_runtime() {
        let close = |got: &[f64], want: &[f64]| {
            assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-6), "{got:?} instead of {want:?}");
        };
        for (transform, want) in [
            (PostTransform::None, [0.0, 0.3, 0.5]),
            (PostTransform::Logistic, [0.5, 0.5744425, 0.6224593]),
            (PostTransform::Softmax, [0.25008878, 0.33758453, 0.41232666]),
            (PostTransform::SoftmaxZero, [0.0, 0.45016599, 0.54983395]),
        ] {
            let mut scores = [0.0, 0.3, 0.5];
            transform.apply(&mut scores);
            close(&scores, &want);
        }
        let mut scores = [0.3, 0.7, 0.15];
        PostTransform::Probit.apply(&mut scores);
        close(&scores, &[-0.5244459, 0.5244459, -1.0366131]);
        close(&PostTransform::Logistic.expand(-0.3, SecondScore::Complement), &[0.5744425, 0.4255575]);
        close(&PostTransform::Softmax.expand(-0.3, SecondScore::Complement), &[1.3, -0.3]);
    }
}
