//! What the tree operators share: trees as a list of nodes, checked once, and the walk from a root to a leaf.

use std::collections::HashMap;

use lehr_graph::{OpError, attribute_enum};
use lehr_tensor::Tensor;

attribute_enum! {
    /// How the votes of several trees for one target become one number.
    pub enum Aggregate {
        /// Their sum divided by the number of trees.
        Average = "AVERAGE",
        /// Their sum.
        Sum = "SUM",
        /// The smallest.
        Min = "MIN",
        /// The largest.
        Max = "MAX",
    }
}

/// The test at a node: the feature against the split value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    /// `x ≤ split`.
    Leq(f64),
    /// `x < split`.
    Lt(f64),
    /// `x ≥ split`.
    Gte(f64),
    /// `x > split`.
    Gt(f64),
    /// `x = split`.
    Eq(f64),
    /// `x ≠ split`.
    Neq(f64),
    /// `x` is one of these.
    Member(Vec<f64>),
}

impl Test {
    /// By number, as in `TreeEnsemble`: 0 to 5; 6 is [`Test::Member`].
    pub(crate) fn numbered(mode: u8, split: f64) -> Option<Self> {
        Some(match mode {
            0 => Self::Leq(split),
            1 => Self::Lt(split),
            2 => Self::Gte(split),
            3 => Self::Gt(split),
            4 => Self::Eq(split),
            5 => Self::Neq(split),
            _ => return None,
        })
    }

    fn named(mode: &str, split: f64) -> Option<Self> {
        let names = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];
        let number = names.iter().position(|n| *n == mode)?;
        Self::numbered(u8::try_from(number).ok()?, split)
    }

    fn holds(&self, x: f64) -> bool {
        match self {
            Self::Leq(split) => x <= *split,
            Self::Lt(split) => x < *split,
            Self::Gte(split) => x >= *split,
            Self::Gt(split) => x > *split,
            Self::Eq(split) => x == *split,
            // A missing value follows its own flag, not this test.
            Self::Neq(split) => x != *split && !x.is_nan(),
            Self::Member(members) => members.contains(&x),
        }
    }
}

/// Where a branch leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// To a node.
    Node(usize),
    /// To a leaf.
    Leaf(usize),
}

/// An inner node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Which feature is tested.
    pub feature: usize,
    /// How.
    pub test: Test,
    /// Whether a missing value (NaN) passes the test.
    pub missing_passes: bool,
    /// When the test holds.
    pub yes: Next,
    /// When it does not.
    pub no: Next,
}

/// What a leaf adds to a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Vote {
    /// The target.
    pub target: usize,
    /// The number.
    pub weight: f64,
}

/// Trees over shared lists of nodes and leaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forest {
    nodes: Vec<Node>,
    roots: Vec<Next>,
    leaves: Vec<Vec<Vote>>,
}

impl Forest {
    /// Checks that every link leads somewhere and that every feature is there.
    pub(crate) fn new(
        nodes: Vec<Node>,
        roots: Vec<Next>,
        leaves: Vec<Vec<Vote>>,
        features: usize,
    ) -> Result<Self, OpError> {
        let links = nodes.iter().flat_map(|n| [n.yes, n.no]).chain(roots.iter().copied());
        for link in links {
            let (kind, at, len) = match link {
                Next::Node(at) => ("node", at, nodes.len()),
                Next::Leaf(at) => ("leaf", at, leaves.len()),
            };
            if at >= len {
                return Err(OpError::value(format!("a tree refers to {kind} {at}, there are {len}")));
            }
        }
        if let Some(node) = nodes.iter().find(|n| n.feature >= features) {
            return Err(OpError::shape(format!(
                "a tree tests feature {}, the input has {features}",
                node.feature
            )));
        }
        Ok(Self { nodes, roots, leaves })
    }

    /// Number of trees.
    pub(crate) fn len(&self) -> usize {
        self.roots.len()
    }

    /// The largest target that a leaf votes for.
    pub(crate) fn last_target(&self) -> Option<usize> {
        self.leaves.iter().flatten().map(|vote| vote.target).max()
    }

    /// All votes for one example.
    pub(crate) fn votes(&self, example: &[f64]) -> Result<Vec<Vote>, OpError> {
        let mut votes = Vec::new();
        for &root in &self.roots {
            votes.extend_from_slice(&self.leaves[self.leaf(root, example)?]);
        }
        Ok(votes)
    }

    fn leaf(&self, root: Next, example: &[f64]) -> Result<usize, OpError> {
        let mut next = root;
        // A walk longer than there are nodes goes in a circle.
        for _ in 0..=self.nodes.len() {
            let node = match next {
                Next::Leaf(leaf) => return Ok(leaf),
                Next::Node(node) => &self.nodes[node],
            };
            let x = example[node.feature];
            let passes = node.test.holds(x) || (x.is_nan() && node.missing_passes);
            next = if passes { node.yes } else { node.no };
        }
        Err(OpError::value("the nodes of a tree form a circle"))
    }

    /// One number per target: the aggregate of the votes; 0 for a target without any.
    pub(crate) fn scores(
        &self,
        example: &[f64],
        targets: usize,
        aggregate: Aggregate,
    ) -> Result<Vec<f64>, OpError> {
        let mut scores: Vec<Option<f64>> = vec![None; targets];
        for vote in self.votes(example)? {
            let Some(score) = scores.get_mut(vote.target) else {
                return Err(OpError::value(format!(
                    "a leaf votes for target {}, there are {targets}",
                    vote.target
                )));
            };
            *score = Some(match (*score, aggregate) {
                (None, _) => vote.weight,
                (Some(s), Aggregate::Sum | Aggregate::Average) => s + vote.weight,
                (Some(s), Aggregate::Min) => s.min(vote.weight),
                (Some(s), Aggregate::Max) => s.max(vote.weight),
            });
        }
        let divisor = if aggregate == Aggregate::Average { self.len().max(1) as f64 } else { 1.0 };
        Ok(scores.into_iter().map(|s| s.unwrap_or(0.0) / divisor).collect())
    }
}

/// The attributes of the two deprecated operators, whose trees are lists of nodes with ids.
pub(crate) struct LegacyTrees<'a> {
    /// Tree of each node.
    pub tree_ids: &'a [i64],
    /// Id of each node in its tree.
    pub node_ids: &'a [i64],
    /// Feature that each node tests.
    pub feature_ids: &'a [i64],
    /// Kind of each node.
    pub modes: &'a [String],
    /// Split value of each node.
    pub values: Vec<f64>,
    /// Id of the next node when the test holds.
    pub true_ids: &'a [i64],
    /// Id of the next node when it does not.
    pub false_ids: &'a [i64],
    /// Whether a missing value passes, per node; empty for never.
    pub missing: &'a [i64],
    /// Tree of each vote.
    pub vote_tree_ids: &'a [i64],
    /// Node of each vote.
    pub vote_node_ids: &'a [i64],
    /// Target of each vote.
    pub vote_targets: &'a [i64],
    /// Weight of each vote.
    pub vote_weights: Vec<f64>,
}

impl LegacyTrees<'_> {
    /// The trees, for examples of that many features.
    pub(crate) fn forest(&self, features: usize) -> Result<Forest, OpError> {
        let n = self.tree_ids.len();
        same_length("nodes_nodeids", self.node_ids.len(), n)?;
        same_length("nodes_modes", self.modes.len(), n)?;
        for (name, len) in [
            ("nodes_featureids", self.feature_ids.len()),
            ("nodes_values", self.values.len()),
            ("nodes_truenodeids", self.true_ids.len()),
            ("nodes_falsenodeids", self.false_ids.len()),
        ] {
            same_length(name, len, n)?;
        }
        if !self.missing.is_empty() {
            same_length("nodes_missing_value_tracks_true", self.missing.len(), n)?;
        }
        let mut places = HashMap::with_capacity(n);
        let (mut n_inner, mut n_leaves) = (0, 0);
        for at in 0..n {
            let place = if self.modes[at] == "LEAF" {
                n_leaves += 1;
                Next::Leaf(n_leaves - 1)
            } else {
                n_inner += 1;
                Next::Node(n_inner - 1)
            };
            let key = (self.tree_ids[at], self.node_ids[at]);
            if places.insert(key, place).is_some() {
                return Err(OpError::value(format!("tree {} has two nodes {}", key.0, key.1)));
            }
        }
        let mut nodes = Vec::with_capacity(n_inner);
        for at in (0..n).filter(|&at| self.modes[at] != "LEAF") {
            nodes.push(self.node(at, &places)?);
        }
        let leaves = self.leaves(&places, n_leaves)?;
        Forest::new(nodes, self.roots(&places), leaves, features)
    }

    fn node(&self, at: usize, places: &HashMap<(i64, i64), Next>) -> Result<Node, OpError> {
        let tree = self.tree_ids[at];
        let go = |id: i64| {
            places.get(&(tree, id)).copied().ok_or_else(|| {
                OpError::value(format!("tree {tree} refers to node {id}, which it does not have"))
            })
        };
        let mode = &self.modes[at];
        let test = Test::named(mode, self.values[at]).ok_or_else(|| {
            OpError::attribute("nodes_modes", format!("expected the mode of a node, got {mode:?}"))
        })?;
        Ok(Node {
            feature: index("nodes_featureids", self.feature_ids[at])?,
            test,
            missing_passes: self.missing.get(at).is_some_and(|&m| m != 0),
            yes: go(self.true_ids[at])?,
            no: go(self.false_ids[at])?,
        })
    }

    /// The first node of each tree, in order.
    fn roots(&self, places: &HashMap<(i64, i64), Next>) -> Vec<Next> {
        let mut seen = std::collections::HashSet::new();
        let ids = self.tree_ids.iter().zip(self.node_ids);
        ids.filter(|(tree, _)| seen.insert(**tree))
            .filter_map(|(&t, &n)| places.get(&(t, n)).copied())
            .collect()
    }

    fn leaves(&self, places: &HashMap<(i64, i64), Next>, count: usize) -> Result<Vec<Vec<Vote>>, OpError> {
        let n = self.vote_tree_ids.len();
        for (name, len) in [
            ("ids of the nodes of the votes", self.vote_node_ids.len()),
            ("ids of the targets of the votes", self.vote_targets.len()),
            ("weights of the votes", self.vote_weights.len()),
        ] {
            same_length(name, len, n)?;
        }
        let mut leaves = vec![Vec::new(); count];
        for at in 0..n {
            let (tree, node) = (self.vote_tree_ids[at], self.vote_node_ids[at]);
            let vote = Vote {
                target: index("ids of the targets of the votes", self.vote_targets[at])?,
                weight: self.vote_weights[at],
            };
            match places.get(&(tree, node)) {
                Some(Next::Leaf(leaf)) => leaves[*leaf].push(vote),
                _ => return Err(OpError::value(format!("node {node} of tree {tree} votes, but is no leaf"))),
            }
        }
        Ok(leaves)
    }
}

/// Numbers from an attribute of floats, or from the tensor that takes its place.
pub(crate) fn numbers(floats: Option<&Vec<f32>>, tensor: Option<&Tensor>) -> Result<Vec<f64>, OpError> {
    match tensor {
        Some(tensor) => Ok(tensor.to_f64s()?),
        None => Ok(floats.into_iter().flatten().copied().map(f64::from).collect()),
    }
}

/// A number that is an index.
pub(crate) fn index(name: &str, value: i64) -> Result<usize, OpError> {
    usize::try_from(value).map_err(|_| OpError::attribute(name, format!("expected an index, got {value}")))
}

/// Refuses an attribute that has not one entry per node.
pub(crate) fn same_length(name: &str, got: usize, expected: usize) -> Result<(), OpError> {
    if got == expected {
        return Ok(());
    }
    Err(OpError::attribute(name, format!("expected {expected} entries, got {got}")))
}
