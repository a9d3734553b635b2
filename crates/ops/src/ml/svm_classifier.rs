//! `SVMClassifier`: <https://onnx.ai/onnx/operators/onnx_aionnxml_SVMClassifier.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::DataType;

use super::scores::{
    Examples, Labels, PostTransform, SecondScore, arg_max, infer_classifier, logistic, matrix,
};
use super::svm::{Kernel, KernelType, exactly};

declare_op! {
    /// One machine per pair of classes votes for one of them (`Σ c·kernel(x, s) + ρ > 0` for the first); the label has
    /// the most votes. Scores: one per pair, or one probability per class when `prob_a` and `prob_b` are given. Without
    /// support vectors there is one linear score per class instead.
    pub struct SvmClassifier("ai.onnx.ml", "SVMClassifier", 1) inputs(1, 1) outputs(2, 2) flags() {
        /// The kernel.
        kernel_type: KernelType = KernelType::Linear,
        /// γ, c and degree of the kernel.
        kernel_params: Option<Vec<f32>> = None,
        /// Transform of the scores.
        post_transform: PostTransform = PostTransform::None,
        /// Number of support vectors of each class.
        vectors_per_class: Option<Vec<i64>> = None,
        /// Slope of the probability of each pair.
        prob_a: Option<Vec<f32>> = None,
        /// Support vectors × features, class after class.
        support_vectors: Option<Vec<f32>> = None,
        /// Text labels.
        classlabels_strings: Option<Vec<String>> = None,
        /// (Classes − 1) × support vectors; or classes × features.
        coefficients: Option<Vec<f32>> = None,
        /// Offset of the probability of each pair.
        prob_b: Option<Vec<f32>> = None,
        /// One ρ per pair, or one in all without support vectors.
        rho: Option<Vec<f32>> = None,
        /// Integer labels.
        classlabels_ints: Option<Vec<i64>> = None,
    }
}

impl SvmClassifier {
    fn labels(&self) -> Labels<'_> {
        Labels::new(self.classlabels_ints.as_deref(), self.classlabels_strings.as_deref())
    }

    fn vectors(&self) -> &[i64] {
        self.vectors_per_class.as_deref().unwrap_or_default()
    }

    fn has_probabilities(&self) -> bool {
        self.prob_a.as_ref().is_some_and(|a| !a.is_empty()) && self.vectors().iter().any(|&n| n > 0)
    }

    /// Number of scores per example.
    fn n_scores(&self) -> usize {
        let classes = self.labels().len().max(1);
        if self.has_probabilities() || self.vectors().iter().all(|&n| n == 0) {
            return classes;
        }
        match classes.saturating_mul(classes.saturating_sub(1)) / 2 {
            1 => 2,
            pairs => pairs,
        }
    }
}

impl Op for SvmClassifier {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_classifier(cx, self.labels().dtype(), Dim::Fixed(self.n_scores() as u64))
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = Examples::new(cx, 0)?;
        let machine = Machine::new(self, x.features)?;
        let (mut classes, mut rows) = (Vec::with_capacity(x.count), Vec::with_capacity(x.count));
        for example in x.iter() {
            cx.environment().check()?;
            let (class, scores) = machine.classify(example);
            classes.push(class);
            rows.push(scores);
        }
        cx.set(0, self.labels().of(&classes)?);
        cx.set(1, matrix(rows, self.n_scores(), DataType::F32)?);
        Ok(())
    }
}

/// The checked parameters.
struct Machine<'a> {
    kernel: Kernel,
    transform: PostTransform,
    classes: usize,
    features: usize,
    coefficients: &'a [f32],
    vectors: &'a [f32],
    /// First support vector of each class, and their total; empty without support vectors.
    starts: Vec<usize>,
    rho: &'a [f32],
    /// Slopes and offsets.
    probabilities: Option<(&'a [f32], &'a [f32])>,
}

impl<'a> Machine<'a> {
    fn new(op: &'a SvmClassifier, features: usize) -> Result<Self, OpError> {
        let classes = op.labels().len().max(1);
        let mut starts = vec![0usize];
        for &count in op.vectors() {
            let next = usize::try_from(count).ok().and_then(|n| starts[starts.len() - 1].checked_add(n));
            starts.push(next.ok_or_else(|| {
                OpError::attribute("vectors_per_class", format!("expected counts, got {count}"))
            })?);
        }
        let total = starts[starts.len() - 1];
        let coefficients = op.coefficients.as_deref().unwrap_or_default();
        let vectors = op.support_vectors.as_deref().unwrap_or_default();
        let rho = op.rho.as_deref().unwrap_or_default();
        let pairs = classes.saturating_mul(classes - 1) / 2;
        let list = |l: &'a Option<Vec<f32>>| l.as_deref().unwrap_or_default();
        let mut probabilities = None;
        if total == 0 {
            exactly("coefficients", coefficients, classes.saturating_mul(features))?;
            exactly("rho", &rho[..rho.len().min(1)], 1)?;
            starts.clear();
        } else {
            if starts.len() != classes + 1 {
                return Err(OpError::attribute(
                    "vectors_per_class",
                    format!("expected {classes} counts, got {}", starts.len() - 1),
                ));
            }
            exactly("coefficients", coefficients, (classes - 1).saturating_mul(total))?;
            exactly("support_vectors", vectors, total.saturating_mul(features))?;
            exactly("rho", rho, pairs)?;
            if op.has_probabilities() {
                let a = exactly("prob_a", list(&op.prob_a), pairs)?;
                probabilities = Some((a, exactly("prob_b", list(&op.prob_b), pairs)?));
            }
        }
        let kind = if total == 0 { KernelType::Linear } else { op.kernel_type };
        Ok(Self {
            kernel: Kernel::new(kind, op.kernel_params.as_deref())?,
            transform: op.post_transform,
            classes,
            features,
            coefficients,
            vectors,
            starts,
            rho,
            probabilities,
        })
    }

    /// Class and final scores.
    fn classify(&self, example: &[f64]) -> (usize, Vec<f64>) {
        if self.starts.is_empty() {
            let rows = self.coefficients.chunks(self.features.max(1));
            let mut scores: Vec<_> =
                rows.map(|row| self.kernel.of(example, row) + f64::from(self.rho[0])).collect();
            scores.resize(self.classes, f64::from(self.rho[0]));
            let class = arg_max(&scores);
            self.transform.apply(&mut scores);
            return (class, scores);
        }
        let (votes, mut scores) = self.pairs(example);
        let class = arg_max(&votes);
        if let Some((a, b)) = self.probabilities {
            scores = self.class_probabilities(&scores, a, b);
        } else if let [score] = scores[..] {
            let second = if self.transform == PostTransform::None {
                SecondScore::Negation
            } else {
                SecondScore::Complement
            };
            return (class, self.transform.expand(score, second));
        }
        self.transform.apply(&mut scores);
        (class, scores)
    }

    /// Votes per class, and the decision value of each pair.
    fn pairs(&self, example: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let total = self.starts[self.classes];
        let similar: Vec<f64> = (0..total)
            .map(|i| self.kernel.of(example, &self.vectors[i * self.features..(i + 1) * self.features]))
            .collect();
        let sum = |row: usize, class: usize| -> f64 {
            let range = self.starts[class]..self.starts[class + 1];
            let coefficients = &self.coefficients[row * total..(row + 1) * total];
            range.map(|at| f64::from(coefficients[at]) * similar[at]).sum()
        };
        let mut votes = vec![0.0; self.classes];
        let mut scores = Vec::with_capacity(self.rho.len());
        for i in 0..self.classes {
            for j in i + 1..self.classes {
                let score = f64::from(self.rho[scores.len()]) + sum(j - 1, i) + sum(i, j);
                votes[if score > 0.0 { i } else { j }] += 1.0;
                scores.push(score);
            }
        }
        (votes, scores)
    }

    /// Probabilities of the classes from those of the pairs.
    fn class_probabilities(&self, scores: &[f64], a: &[f32], b: &[f32]) -> Vec<f64> {
        const CLIP: f64 = 1e-7;
        let k = self.classes;
        let mut pairs = vec![vec![0.0; k]; k];
        let above = (0..k).flat_map(|i| (i + 1..k).map(move |j| (i, j)));
        for (at, (i, j)) in above.enumerate() {
            let p = 1.0 - logistic(scores[at] * f64::from(a[at]) + f64::from(b[at]));
            pairs[i][j] = p.clamp(CLIP, 1.0 - CLIP);
            pairs[j][i] = 1.0 - pairs[i][j];
        }
        couple(&pairs)
    }
}

/// The second method of Wu, Lin and Weng, "Probability estimates for multi-class classification by pairwise coupling"
/// (2004), as libsvm has it.
fn couple(r: &[Vec<f64>]) -> Vec<f64> {
    let k = r.len();
    let mut q = vec![vec![0.0; k]; k];
    for t in 0..k {
        for j in (0..k).filter(|&j| j != t) {
            q[t][t] += r[j][t] * r[j][t];
            q[t][j] = -r[j][t] * r[t][j];
        }
    }
    let mut p = vec![1.0 / k as f64; k];
    let epsilon = 0.005 / k as f64;
    for _ in 0..k.max(100) {
        let mut qp: Vec<f64> = q.iter().map(|row| row.iter().zip(&p).map(|(a, b)| a * b).sum()).collect();
        let mut pqp: f64 = p.iter().zip(&qp).map(|(a, b)| a * b).sum();
        if qp.iter().all(|x| (x - pqp).abs() < epsilon) {
            break;
        }
        for t in 0..k {
            let diff = (pqp - qp[t]) / q[t][t];
            p[t] += diff;
            pqp = (pqp + diff * (diff * q[t][t] + 2.0 * qp[t])) / (1.0 + diff) / (1.0 + diff);
            for j in 0..k {
                qp[j] = (qp[j] + diff * q[t][j]) / (1.0 + diff);
                p[j] /= 1.0 + diff;
            }
        }
    }
    p
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    fn three() -> SvmClassifier {
        SvmClassifier {
            kernel_type: KernelType::Rbf,
            kernel_params: Some(vec![0.5, 0.1, 2.0]),
            post_transform: PostTransform::None,
            vectors_per_class: Some(vec![2, 2, 1]),
            prob_a: None,
            support_vectors: Some(vec![1.0, 0.0, 0.0, 1.0, -1.0, -1.0, 0.5, 0.5, -0.5, 0.2]),
            classlabels_strings: None,
            coefficients: Some(vec![0.1, -0.2, 0.3, 0.4, -0.5, 0.6, 0.1, -0.3, 0.2, 0.4]),
            prob_b: None,
            rho: Some(vec![0.05, -0.1, 0.2]),
            classlabels_ints: Some(vec![3, 5, 8]),
        }
    }

    // Numbers of ONNX Runtime.
    #[test]
    fn pairs_and_probabilities() {
        let x = f32s(&[2, 2], &[1.0, 2.0, -1.0, 0.5]);
        let case = |op| Case::new(op).tolerance(1e-5, 1e-6).input(x.clone());
        let scores = [0.10501059, -0.014135037, 0.28254926, 0.18214773, -0.39664647, 0.5050007];
        case(three()).expect_all(vec![i64s(&[2], &[3, 3]).into(), f32s(&[2, 3], &scores).into()]);
        let op = SvmClassifier {
            prob_a: Some(vec![-1.0, -0.9, -1.1]),
            prob_b: Some(vec![0.1, 0.2, -0.1]),
            ..three()
        };
        let scores = [0.31519863, 0.37816817, 0.30663326, 0.2935866, 0.401381, 0.30503237];
        case(op).expect_all(vec![i64s(&[2], &[3, 3]).into(), f32s(&[2, 3], &scores).into()]);
        let op = SvmClassifier {
            vectors_per_class: Some(vec![2, 3]),
            coefficients: Some(vec![0.1, -0.2, 0.3, 0.4, -0.5]),
            rho: Some(vec![0.05]),
            classlabels_ints: Some(vec![4, 6]),
            ..three()
        };
        let scores = [-0.07288644, 0.07288644, 0.23968469, -0.23968469];
        case(op).expect_all(vec![i64s(&[2], &[4, 6]).into(), f32s(&[2, 2], &scores).into()]);
    }

    #[test]
    fn linear_scores_without_support_vectors() {
        let op = SvmClassifier {
            kernel_type: KernelType::Linear,
            vectors_per_class: None,
            support_vectors: None,
            coefficients: Some(vec![0.1, -0.2, 0.3, 0.4, -0.5, 0.1]),
            rho: Some(vec![0.05]),
            ..three()
        };
        Case::new(op).tolerance(1e-5, 1e-6).input(f32s(&[2, 2], &[1.0, 2.0, -1.0, 0.5])).expect_all(vec![
            i64s(&[2], &[5, 8]).into(),
            f32s(&[2, 3], &[-0.25, 1.15, -0.25, -0.15, -0.05, 0.6]).into(),
        ]);
    }
}
