//! `TreeEnsemble`: <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::Tensor;

use super::scores::{Examples, PostTransform, infer_regressor, matrix};
use super::trees::{Aggregate, Forest, Next, Node, Test, Vote, index, same_length};

declare_op! {
    /// Decision trees: every leaf adds its weight to a target. Interior nodes are in the `nodes_` attributes, leaves in
    /// the `leaf_` ones.
    pub struct TreeEnsemble("ai.onnx.ml", "TreeEnsemble", 5) inputs(1, 1) outputs(1, 1) flags() {
        /// Average (0), sum (1), smallest (2) or largest (3) of the weights for a target.
        aggregate_function: i64 = 1,
        /// Transform of the results: none (0), softmax (1), logistic (2), softmax of what is not zero (3), probit (4).
        post_transform: i64 = 0,
        /// Root of each tree.
        tree_roots: Vec<i64>,
        /// Popularity of each node; has no influence.
        nodes_hitrates: Option<Tensor> = None,
        /// Whether a missing value passes the test of each node.
        nodes_missing_value_tracks_true: Option<Vec<i64>> = None,
        /// Test of each node: ≤ (0), < (1), ≥ (2), > (3), = (4), ≠ (5), member of a set (6).
        nodes_modes: Tensor,
        /// Weight of each leaf.
        leaf_weights: Tensor,
        /// Target of each leaf.
        leaf_targetids: Vec<i64>,
        /// Node or leaf that follows when the test fails.
        nodes_falsenodeids: Vec<i64>,
        /// Number of targets.
        n_targets: Option<i64> = None,
        /// Whether `nodes_truenodeids` is a leaf.
        nodes_trueleafs: Vec<i64>,
        /// Feature that each node tests.
        nodes_featureids: Vec<i64>,
        /// Split value of each node.
        nodes_splits: Tensor,
        /// Whether `nodes_falsenodeids` is a leaf.
        nodes_falseleafs: Vec<i64>,
        /// Node or leaf that follows when the test holds.
        nodes_truenodeids: Vec<i64>,
        /// The sets of the membership tests in the order of their nodes, each ended by a NaN.
        membership_values: Option<Tensor> = None,
    }
}

impl TreeEnsemble {
    fn aggregate(&self) -> Result<Aggregate, OpError> {
        Ok(match self.aggregate_function {
            0 => Aggregate::Average,
            1 => Aggregate::Sum,
            2 => Aggregate::Min,
            3 => Aggregate::Max,
            other => {
                return Err(OpError::attribute(
                    "aggregate_function",
                    format!("expected 0 to 3, got {other}"),
                ));
            }
        })
    }

    fn transform(&self) -> Result<PostTransform, OpError> {
        Ok(match self.post_transform {
            0 => PostTransform::None,
            1 => PostTransform::Softmax,
            2 => PostTransform::Logistic,
            3 => PostTransform::SoftmaxZero,
            4 => PostTransform::Probit,
            other => {
                return Err(OpError::attribute("post_transform", format!("expected 0 to 4, got {other}")));
            }
        })
    }

    /// The given number of targets, or as many as leaves name.
    fn targets(&self) -> usize {
        let given = self.n_targets.and_then(|n| usize::try_from(n).ok());
        given.unwrap_or_else(|| {
            let last = self.leaf_targetids.iter().max().and_then(|&t| usize::try_from(t).ok());
            last.map_or(1, |t| t.saturating_add(1))
        })
    }

    fn forest(&self, features: usize) -> Result<Forest, OpError> {
        let modes = self.nodes_modes.to_i64s()?;
        let splits = self.nodes_splits.to_f64s()?;
        let n = modes.len();
        for (name, len) in [
            ("nodes_splits", splits.len()),
            ("nodes_featureids", self.nodes_featureids.len()),
            ("nodes_truenodeids", self.nodes_truenodeids.len()),
            ("nodes_falsenodeids", self.nodes_falsenodeids.len()),
            ("nodes_trueleafs", self.nodes_trueleafs.len()),
            ("nodes_falseleafs", self.nodes_falseleafs.len()),
        ] {
            same_length(name, len, n)?;
        }
        let missing = self.nodes_missing_value_tracks_true.as_deref().unwrap_or_default();
        if !missing.is_empty() {
            same_length("nodes_missing_value_tracks_true", missing.len(), n)?;
        }
        let sets = self.membership_values.as_ref().map(Tensor::to_f64s).transpose()?.unwrap_or_default();
        let mut sets = sets.split(|x| x.is_nan());
        let mut nodes = Vec::with_capacity(n);
        for at in 0..n {
            let test = if modes[at] == 6 {
                let set = sets.next().ok_or_else(|| {
                    OpError::attribute("membership_values", "expected one set per membership test, got fewer")
                })?;
                Test::Member(set.to_vec())
            } else {
                let test = u8::try_from(modes[at]).ok().and_then(|m| Test::numbered(m, splits[at]));
                test.ok_or_else(|| {
                    OpError::attribute("nodes_modes", format!("expected 0 to 6, got {}", modes[at]))
                })?
            };
            nodes.push(Node {
                feature: index("nodes_featureids", self.nodes_featureids[at])?,
                test,
                missing_passes: missing.get(at).is_some_and(|&m| m != 0),
                yes: link("nodes_truenodeids", self.nodes_truenodeids[at], self.nodes_trueleafs[at])?,
                no: link("nodes_falsenodeids", self.nodes_falsenodeids[at], self.nodes_falseleafs[at])?,
            });
        }
        let weights = self.leaf_weights.to_f64s()?;
        same_length("leaf_targetids", self.leaf_targetids.len(), weights.len())?;
        let leaf = |(&target, weight): (&i64, f64)| {
            Ok(vec![Vote { target: index("leaf_targetids", target)?, weight }])
        };
        let leaves = self.leaf_targetids.iter().zip(weights).map(leaf).collect::<Result<_, OpError>>()?;
        let root = |&at: &i64| Ok(Next::Node(index("tree_roots", at)?));
        let roots = self.tree_roots.iter().map(root).collect::<Result<_, OpError>>()?;
        Forest::new(nodes, roots, leaves, features)
    }
}

fn link(name: &str, at: i64, is_leaf: i64) -> Result<Next, OpError> {
    let at = index(name, at)?;
    Ok(if is_leaf != 0 { Next::Leaf(at) } else { Next::Node(at) })
}

impl Op for TreeEnsemble {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        infer_regressor(cx, dtype, Dim::Fixed(self.targets() as u64))
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (aggregate, transform) = (self.aggregate()?, self.transform()?);
        let dtype = cx.tensor(0)?.dtype();
        let x = Examples::new(cx, 0)?;
        let forest = self.forest(x.features)?;
        let targets = self.targets();
        crate::window_function::check_bytes(cx, &[x.count, targets], dtype)?;
        let mut rows = Vec::with_capacity(x.count);
        for example in x.iter() {
            cx.environment().check()?;
            let mut scores = forest.scores(example, targets, aggregate)?;
            transform.apply(&mut scores);
            rows.push(scores);
        }
        cx.set(0, matrix(rows, targets, dtype)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    // The example of the specification.
    #[test]
    fn members_of_sets() {
        let nan = f32::NAN;
        let op = TreeEnsemble {
            aggregate_function: 1,
            post_transform: 0,
            tree_roots: vec![0],
            nodes_hitrates: None,
            nodes_missing_value_tracks_true: None,
            nodes_modes: Tensor::vector(vec![0u8, 6, 6]),
            leaf_weights: Tensor::vector(vec![1.0f32, 10.0, 1000.0, 100.0]),
            leaf_targetids: vec![0, 1, 2, 3],
            nodes_falsenodeids: vec![1, 2, 3],
            n_targets: Some(4),
            nodes_trueleafs: vec![1, 1, 1],
            nodes_featureids: vec![0, 0, 0],
            nodes_splits: Tensor::vector(vec![11.0f32, 232344.0, nan]),
            nodes_falseleafs: vec![0, 0, 1],
            nodes_truenodeids: vec![0, 1, 2],
            membership_values: Some(Tensor::vector(vec![1.2f32, 3.7, 8.0, 9.0, nan, 12.0, 7.0, nan])),
        };
        let mut y = [0.0; 16];
        (y[0], y[4], y[11], y[14]) = (1.0, 1.0, 100.0, 1000.0);
        Case::new(op).input(f32s(&[4, 1], &[1.2, 3.4, nan, 12.0])).expect(f32s(&[4, 4], &y));
    }
}
