//! `TreeEnsembleClassifier`: <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleClassifier.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::{DataType, Tensor};

use super::scores::{Examples, Labels, PostTransform, SecondScore, arg_max, infer_classifier, matrix};
use super::trees::{Aggregate, LegacyTrees, numbers};

declare_op! {
    /// Decision trees whose leaves vote for classes (deprecated in favour of `TreeEnsemble`): the label of the class
    /// with the largest sum, and the transformed sums. Attributes that end in `_as_tensor` replace the one without the
    /// ending.
    ///
    /// With two labels and votes for class 0 alone, the sum s decides as in ONNX Runtime: probabilities when no vote is
    /// negative (second label above ½, scores `1 − s, s`), else decision values (above 0, scores `−s, s`).
    pub struct TreeEnsembleClassifier("ai.onnx.ml", "TreeEnsembleClassifier", 5) inputs(1, 1) outputs(2, 2) flags() {
        /// Transform of the scores.
        post_transform: PostTransform = PostTransform::None,
        /// Added to the score of each class.
        base_values: Option<Vec<f32>> = None,
        /// The same as a tensor.
        base_values_as_tensor: Option<Tensor> = None,
        /// Class of each vote.
        class_ids: Option<Vec<i64>> = None,
        /// Node of each vote.
        class_nodeids: Option<Vec<i64>> = None,
        /// Tree of each vote.
        class_treeids: Option<Vec<i64>> = None,
        /// Weight of each vote.
        class_weights: Option<Vec<f32>> = None,
        /// The same as a tensor.
        class_weights_as_tensor: Option<Tensor> = None,
        /// Integer labels.
        classlabels_int64s: Option<Vec<i64>> = None,
        /// Text labels.
        classlabels_strings: Option<Vec<String>> = None,
        /// Next node of each node when the test fails.
        nodes_falsenodeids: Option<Vec<i64>> = None,
        /// Feature that each node tests.
        nodes_featureids: Option<Vec<i64>> = None,
        /// Popularity of each node; has no influence.
        nodes_hitrates: Option<Vec<f32>> = None,
        /// The same as a tensor.
        nodes_hitrates_as_tensor: Option<Tensor> = None,
        /// Whether a missing value passes the test of each node.
        nodes_missing_value_tracks_true: Option<Vec<i64>> = None,
        /// Kind of each node.
        nodes_modes: Option<Vec<String>> = None,
        /// Id of each node in its tree.
        nodes_nodeids: Option<Vec<i64>> = None,
        /// Tree of each node.
        nodes_treeids: Option<Vec<i64>> = None,
        /// Next node of each node when the test holds.
        nodes_truenodeids: Option<Vec<i64>> = None,
        /// Split value of each node.
        nodes_values: Option<Vec<f32>> = None,
        /// The same as a tensor.
        nodes_values_as_tensor: Option<Tensor> = None,
    }
}

impl TreeEnsembleClassifier {
    fn labels(&self) -> Labels<'_> {
        Labels::new(self.classlabels_int64s.as_deref(), self.classlabels_strings.as_deref())
    }

    fn trees(&self) -> Result<LegacyTrees<'_>, OpError> {
        Ok(LegacyTrees {
            tree_ids: self.nodes_treeids.as_deref().unwrap_or_default(),
            node_ids: self.nodes_nodeids.as_deref().unwrap_or_default(),
            feature_ids: self.nodes_featureids.as_deref().unwrap_or_default(),
            modes: self.nodes_modes.as_deref().unwrap_or_default(),
            values: numbers(self.nodes_values.as_ref(), self.nodes_values_as_tensor.as_ref())?,
            true_ids: self.nodes_truenodeids.as_deref().unwrap_or_default(),
            false_ids: self.nodes_falsenodeids.as_deref().unwrap_or_default(),
            missing: self.nodes_missing_value_tracks_true.as_deref().unwrap_or_default(),
            vote_tree_ids: self.class_treeids.as_deref().unwrap_or_default(),
            vote_node_ids: self.class_nodeids.as_deref().unwrap_or_default(),
            vote_targets: self.class_ids.as_deref().unwrap_or_default(),
            vote_weights: numbers(self.class_weights.as_ref(), self.class_weights_as_tensor.as_ref())?,
        })
    }
}

impl Op for TreeEnsembleClassifier {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_classifier(cx, self.labels().dtype(), Dim::Fixed(self.labels().len() as u64))
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let labels = self.labels();
        let x = Examples::new(cx, 0)?;
        let trees = self.trees()?;
        let forest = trees.forest(x.features)?;
        let base = numbers(self.base_values.as_ref(), self.base_values_as_tensor.as_ref())?;
        let single = labels.len() == 2 && base.len() < 2 && forest.last_target() == Some(0);
        if !single && !base.is_empty() && base.len() != labels.len() {
            return Err(OpError::attribute(
                "base_values",
                format!("expected {} numbers, got {}", labels.len(), base.len()),
            ));
        }
        let probabilities = trees.vote_weights.iter().all(|&w| w >= 0.0);
        let (mut classes, mut rows) = (Vec::with_capacity(x.count), Vec::with_capacity(x.count));
        for example in x.iter() {
            cx.environment().check()?;
            let mut scores = forest.scores(example, labels.len(), Aggregate::Sum)?;
            scores.iter_mut().zip(&base).for_each(|(s, b)| *s += b);
            if single {
                let (second, threshold) =
                    if probabilities { (SecondScore::Complement, 0.5) } else { (SecondScore::Negation, 0.0) };
                classes.push(usize::from(scores[0] > threshold));
                rows.push(self.post_transform.expand(scores[0], second));
            } else {
                classes.push(arg_max(&scores));
                self.post_transform.apply(&mut scores);
                rows.push(scores);
            }
        }
        cx.set(0, labels.of(&classes)?);
        cx.set(1, matrix(rows, labels.len(), DataType::F32)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    fn stumps(class_ids: Vec<i64>, class_weights: Vec<f32>, labels: Vec<i64>) -> TreeEnsembleClassifier {
        let modes = ["BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_GT", "LEAF", "LEAF"];
        TreeEnsembleClassifier {
            post_transform: PostTransform::None,
            base_values: None,
            base_values_as_tensor: None,
            class_ids: Some(class_ids),
            class_nodeids: Some(vec![1, 2, 1, 2]),
            class_treeids: Some(vec![0, 0, 1, 1]),
            class_weights: Some(class_weights),
            class_weights_as_tensor: None,
            classlabels_int64s: Some(labels),
            classlabels_strings: None,
            nodes_falsenodeids: Some(vec![2, 0, 0, 2, 0, 0]),
            nodes_featureids: Some(vec![0, 0, 0, 1, 0, 0]),
            nodes_hitrates: None,
            nodes_hitrates_as_tensor: None,
            nodes_missing_value_tracks_true: None,
            nodes_modes: Some(modes.map(String::from).to_vec()),
            nodes_nodeids: Some(vec![0, 1, 2, 0, 1, 2]),
            nodes_treeids: Some(vec![0, 0, 0, 1, 1, 1]),
            nodes_truenodeids: Some(vec![1, 0, 0, 1, 0, 0]),
            nodes_values: Some(vec![0.0; 6]),
            nodes_values_as_tensor: None,
        }
    }

    // Numbers of ONNX Runtime.
    #[test]
    fn labels_and_scores() {
        let x = f32s(&[3, 2], &[1.0, 2.0, -1.0, 0.5, 0.2, -0.3]);
        type Row<'a> = (TreeEnsembleClassifier, [i64; 3], &'a [f32]);
        let rows: [Row<'_>; 3] = [
            (
                stumps(vec![0, 1, 2, 0], vec![0.3, -0.2, 0.5, 0.7], vec![3, 5, 8]),
                [8, 8, 3],
                &[0.0, -0.2, 0.5, 0.3, 0.0, 0.5, 0.7, -0.2, 0.0],
            ),
            (
                stumps(vec![0; 4], vec![0.3, -0.2, 0.5, 0.7], vec![4, 6]),
                [6, 6, 6],
                &[-0.3, 0.3, -0.8, 0.8, -0.5, 0.5],
            ),
            (
                stumps(vec![0; 4], vec![0.3, 0.2, 0.1, 0.7], vec![4, 6]),
                [4, 4, 6],
                &[0.7, 0.3, 0.6, 0.4, 0.1, 0.9],
            ),
        ];
        for (op, labels, scores) in rows {
            Case::new(op)
                .tolerance(1e-5, 1e-6)
                .input(x.clone())
                .expect_all(vec![i64s(&[3], &labels).into(), f32s(&[3, scores.len() / 3], scores).into()]);
        }
    }
}
