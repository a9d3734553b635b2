//! Local rewrites: a root operator, a check, and a patch; driven by a worklist until nothing fires any more.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};

use lehr_graph::{Graph, NodeId, Op, OpError, PatchBuilder, Use, ValueId};

use crate::pass::{Changed, Pass, PassCx, PassError, PassInfo};

/// Why a rewrite did not fire at a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reject {
    /// There is nothing to do.
    NoEffect,
    /// It looked as if, but a condition does not hold.
    Because(Cow<'static, str>),
}

impl Reject {
    /// A rejection with its reason.
    pub fn because(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Because(reason.into())
    }
}

impl From<OpError> for Reject {
    fn from(error: OpError) -> Self {
        Self::because(error.to_string())
    }
}

/// A rewrite rooted at one node.
pub trait Rewrite: Send + Sync {
    /// The fixed facts.
    fn info(&self) -> PassInfo;

    /// Whether a node with this operator can be the root.
    fn is_root(&self, op: &dyn Op) -> bool;

    /// Fills `patch` with the rewrite at `node`.
    ///
    /// # Errors
    /// [`Reject`] when it does not apply.
    fn apply(&self, node: NodeId, patch: &mut PatchBuilder<'_>, cx: &PassCx<'_>) -> Result<(), Reject>;
}

/// Runs a [`Rewrite`] as a pass: at every node, and again wherever a rewrite changed the surroundings.
pub struct Rewriter<R>(pub R);

impl<R: Rewrite> Pass for Rewriter<R> {
    fn info(&self) -> PassInfo {
        self.0.info()
    }

    fn run(&self, graph: &mut Graph, cx: &mut PassCx<'_>) -> Result<Changed, PassError> {
        let mut work = Worklist::default();
        graph.topological_order().into_iter().for_each(|id| work.push(id));
        // Each node may be rewritten a few times, and so may what comes of it.
        let limit = graph.n_nodes().saturating_mul(8).saturating_add(64);
        let mut changed = 0;
        while let Some(id) = work.pop() {
            if cx.is_exhausted() {
                break;
            }
            let Some(node) = graph.get_node(id) else { continue };
            if !self.0.is_root(node.op()) {
                continue;
            }
            let mut builder = PatchBuilder::new(graph);
            let result = self.0.apply(id, &mut builder, cx).map(|()| builder.finish());
            match result.and_then(|patch| cx.commit(graph, patch)) {
                Err(Reject::NoEffect) => {}
                Err(Reject::Because(reason)) => cx.note(graph, id, reason),
                Ok(done) => {
                    changed += 1;
                    if changed > limit {
                        return Err(PassError::Endless { pass: self.info().name.into(), rewrites: changed });
                    }
                    done.nodes.iter().for_each(|&new| work.push(new));
                    done.replaced.iter().for_each(|&(_, new)| work.push_readers(graph, new));
                    done.released.iter().filter_map(|&v| graph.producer(v)).for_each(|id| work.push(id));
                    work.push(id);
                }
            }
        }
        Ok(Changed(changed))
    }
}

/// Nodes to visit, each once at a time.
#[derive(Default)]
struct Worklist {
    queue: VecDeque<NodeId>,
    queued: HashSet<NodeId>,
}

impl Worklist {
    fn push(&mut self, id: NodeId) {
        if self.queued.insert(id) {
            self.queue.push_back(id);
        }
    }

    fn push_readers(&mut self, graph: &Graph, value: ValueId) {
        for a_use in graph.value(value).uses() {
            if let Use::Node { node, .. } = a_use {
                self.push(*node);
            }
        }
    }

    fn pop(&mut self) -> Option<NodeId> {
        let id = self.queue.pop_front()?;
        self.queued.remove(&id);
        Some(id)
    }
}
