//! Values behind Transposes: each is another view of the value at the end of the chain.

use std::collections::BTreeMap;

use lehr_graph::{Graph, Node, NodeId, Permutation, Shape, ValueId};
use lehr_ops::transpose::Transpose;

use crate::pass::PassCx;

/// A value as another value whose axes come in some order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct View {
    /// The value at the end of the chain of Transposes; itself no result of one.
    pub root: ValueId,
    /// The order of the root's axes.
    pub order: Permutation,
}

/// The views of a graph's values.
pub(super) struct Views {
    transposed: BTreeMap<ValueId, View>,
    transposes: Vec<NodeId>,
}

impl Views {
    /// The views of `graph`, except of kept values, which must exist.
    pub(super) fn of(graph: &Graph, cx: &PassCx<'_>) -> Self {
        let mut views = Self { transposed: BTreeMap::new(), transposes: Vec::new() };
        for id in graph.topological_order() {
            let node = graph.node(id);
            let Some((x, y, perm)) = transpose(graph, node) else { continue };
            let below = views.view(graph, x);
            if let (false, Some(order)) = (cx.is_kept(graph, y), below.order.then(&perm)) {
                views.transposed.insert(y, View { root: below.root, order });
                views.transposes.push(id);
            }
        }
        views
    }

    /// The Transposes, in topological order.
    pub(super) fn transposes(&self) -> &[NodeId] {
        &self.transposes
    }

    /// Values behind Transposes, with their views.
    pub(super) fn transposed(&self) -> impl Iterator<Item = (ValueId, &View)> {
        self.transposed.iter().map(|(&value, view)| (value, view))
    }

    /// Whether the node is a Transpose that others are seen through.
    pub(super) fn is_transpose(&self, node: &Node) -> bool {
        node.outputs().first().is_some_and(|y| self.transposed.contains_key(y))
    }

    /// The view that a value is; of itself unless it is behind a Transpose.
    pub(super) fn view(&self, graph: &Graph, value: ValueId) -> View {
        let itself = || View { root: value, order: Permutation::identity(rank(graph, value)) };
        self.transposed.get(&value).cloned().unwrap_or_else(itself)
    }
}

/// Rank of a value; 0 while unknown, which leaves it no other order.
pub(super) fn rank(graph: &Graph, value: ValueId) -> usize {
    graph.value(value).ty().shape().map_or(0, Shape::rank)
}

fn transpose(graph: &Graph, node: &Node) -> Option<(ValueId, ValueId, Permutation)> {
    let op = node.op().downcast_ref::<Transpose>()?;
    let (x, y) = (node.input(0)?, *node.outputs().first()?);
    let perm = op.resolved(graph.value(x).ty().shape()?.rank()).ok()?;
    Some((x, y, Permutation::new(perm)?))
}
