//! `TreeEnsembleRegressor`: <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleRegressor.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::{DataType, Tensor};

use super::scores::{Examples, PostTransform, infer_regressor, matrix};
use super::trees::{Aggregate, LegacyTrees, numbers, same_length};

declare_op! {
    /// Decision trees whose leaves vote for targets (deprecated in favour of `TreeEnsemble`). The aggregate of the votes
    /// plus the base value is transformed. Attributes that end in `_as_tensor` replace the one without the ending.
    pub struct TreeEnsembleRegressor("ai.onnx.ml", "TreeEnsembleRegressor", 5) inputs(1, 1) outputs(1, 1) flags() {
        /// Transform of the results.
        post_transform: PostTransform = PostTransform::None,
        /// How votes for one target become one number.
        aggregate_function: Aggregate = Aggregate::Sum,
        /// Added to the aggregate of each target.
        base_values: Option<Vec<f32>> = None,
        /// The same as a tensor.
        base_values_as_tensor: Option<Tensor> = None,
        /// Number of targets.
        n_targets: Option<i64> = None,
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
        /// Target of each vote.
        target_ids: Option<Vec<i64>> = None,
        /// Node of each vote.
        target_nodeids: Option<Vec<i64>> = None,
        /// Tree of each vote.
        target_treeids: Option<Vec<i64>> = None,
        /// Weight of each vote.
        target_weights: Option<Vec<f32>> = None,
        /// The same as a tensor.
        target_weights_as_tensor: Option<Tensor> = None,
    }
}

impl TreeEnsembleRegressor {
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
            vote_tree_ids: self.target_treeids.as_deref().unwrap_or_default(),
            vote_node_ids: self.target_nodeids.as_deref().unwrap_or_default(),
            vote_targets: self.target_ids.as_deref().unwrap_or_default(),
            vote_weights: numbers(self.target_weights.as_ref(), self.target_weights_as_tensor.as_ref())?,
        })
    }

    /// The given number of targets, or as many as there are votes for.
    fn targets(&self) -> usize {
        let given = self.n_targets.and_then(|n| usize::try_from(n).ok());
        given.unwrap_or_else(|| {
            let last = self.target_ids.iter().flatten().max().and_then(|&t| usize::try_from(t).ok());
            last.map_or(1, |t| t.saturating_add(1))
        })
    }
}

impl Op for TreeEnsembleRegressor {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_regressor(cx, Some(DataType::F32), Dim::Fixed(self.targets() as u64))
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = Examples::new(cx, 0)?;
        let forest = self.trees()?.forest(x.features)?;
        let targets = self.targets();
        crate::window_function::check_bytes(cx, &[x.count, targets], DataType::F32)?;
        let base = numbers(self.base_values.as_ref(), self.base_values_as_tensor.as_ref())?;
        if !base.is_empty() {
            same_length("base_values", base.len(), targets)?;
        }
        let mut rows = Vec::with_capacity(x.count);
        for example in x.iter() {
            cx.environment().check()?;
            let mut scores = forest.scores(example, targets, self.aggregate_function)?;
            scores.iter_mut().zip(&base).for_each(|(s, b)| *s += b);
            self.post_transform.apply(&mut scores);
            rows.push(scores);
        }
        cx.set(0, matrix(rows, targets, DataType::F32)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    fn stumps(aggregate_function: Aggregate) -> TreeEnsembleRegressor {
        let leaf = String::from("LEAF");
        TreeEnsembleRegressor {
            post_transform: PostTransform::None,
            aggregate_function,
            base_values: Some(vec![0.1]),
            base_values_as_tensor: None,
            n_targets: Some(1),
            nodes_falsenodeids: Some(vec![2, 0, 0, 2, 0, 0]),
            nodes_featureids: Some(vec![0, 0, 0, 1, 0, 0]),
            nodes_hitrates: None,
            nodes_hitrates_as_tensor: None,
            nodes_missing_value_tracks_true: Some(vec![1, 0, 0, 0, 0, 0]),
            nodes_modes: Some(vec![
                "BRANCH_LEQ".into(),
                leaf.clone(),
                leaf.clone(),
                "BRANCH_GT".into(),
                leaf.clone(),
                leaf,
            ]),
            nodes_nodeids: Some(vec![0, 1, 2, 0, 1, 2]),
            nodes_treeids: Some(vec![0, 0, 0, 1, 1, 1]),
            nodes_truenodeids: Some(vec![1, 0, 0, 1, 0, 0]),
            nodes_values: Some(vec![0.0; 6]),
            nodes_values_as_tensor: None,
            target_ids: Some(vec![0; 4]),
            target_nodeids: Some(vec![1, 2, 1, 2]),
            target_treeids: Some(vec![0, 0, 1, 1]),
            target_weights: Some(vec![0.3, -0.2, 0.5, 0.1]),
            target_weights_as_tensor: None,
        }
    }

    // Numbers of ONNX Runtime.
    #[test]
    fn aggregates_votes() {
        for (aggregate, y) in [
            (Aggregate::Sum, [0.4, 0.9, 0.0, 0.5]),
            (Aggregate::Average, [0.25, 0.5, 0.05, 0.3]),
            (Aggregate::Min, [-0.1, 0.4, -0.1, 0.2]),
            (Aggregate::Max, [0.6, 0.6, 0.2, 0.4]),
        ] {
            // The last example: a missing value passes at the first tree and fails at the second.
            let x = f32s(&[4, 2], &[1.0, 2.0, -1.0, 0.5, 0.2, -0.3, f32::NAN, f32::NAN]);
            Case::new(stumps(aggregate)).tolerance(1e-5, 1e-6).input(x).expect(f32s(&[4, 1], &y));
        }
    }

    #[test]
    fn refuses_circles_and_loose_ends() {
        let x = f32s(&[1, 2], &[1.0, 2.0]);
        let circle = TreeEnsembleRegressor {
            nodes_falsenodeids: Some(vec![0, 0, 0, 2, 0, 0]),
            ..stumps(Aggregate::Sum)
        };
        Case::new(circle).input(x.clone()).expect_error("circle");
        let loose = TreeEnsembleRegressor {
            nodes_falsenodeids: Some(vec![7, 0, 0, 2, 0, 0]),
            ..stumps(Aggregate::Sum)
        };
        Case::new(loose).input(x).expect_error("node 7");
    }
}
