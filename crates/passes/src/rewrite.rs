//! Local rewrites: a pattern, a check, and a patch; driven by a worklist until nothing fires any more.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};

use lehr_graph::{Graph, Node, NodeId, OpError, Patch, PatchBuilder, Use, ValueId};

use crate::cost_model::gain;
use crate::pass::{Changed, Pass, PassCx, PassError, PassInfo};
use crate::pattern::{Match, Pattern};

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

/// A rewrite: what it looks for, and what takes its place.
pub trait Rewrite: Send + Sync {
    /// The fixed facts.
    fn info(&self) -> PassInfo;

    /// What it looks for.
    fn pattern(&self) -> Pattern;

    /// Fills `patch` with what takes the place of the match.
    ///
    /// # Errors
    /// [`Reject`] when it does not apply.
    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, cx: &PassCx<'_>) -> Result<(), Reject>;

    /// Whether the rewrite is a trade that the cost model must approve of.
    fn must_pay(&self) -> bool {
        false
    }
}

/// Runs a [`Rewrite`] as a pass: at every node, and again wherever a rewrite changed the surroundings.
pub struct Rewriter<R>(pub R);

impl<R: Rewrite> Pass for Rewriter<R> {
    fn info(&self) -> PassInfo {
        self.0.info()
    }

    fn run(&self, graph: &mut Graph, cx: &mut PassCx<'_>) -> Result<Changed, PassError> {
        let pattern = self.0.pattern();
        let mut work = Worklist::default();
        graph.topological_order().into_iter().for_each(|id| work.push(id));
        // Each node may be rewritten a few times, and so may what comes of it.
        let limit = graph.n_nodes().saturating_mul(8).saturating_add(64);
        let mut changed = 0;
        while let Some(id) = work.pop() {
            if cx.is_exhausted() {
                break;
            }
            if graph.get_node(id).is_none_or(|node| is_unread(graph, node)) {
                continue;
            }
            let patch = self.patch(&pattern, id, graph, cx);
            match patch.and_then(|patch| cx.commit(graph, patch)) {
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

impl<R: Rewrite> Rewriter<R> {
    fn patch(&self, pattern: &Pattern, id: NodeId, graph: &Graph, cx: &PassCx<'_>) -> Result<Patch, Reject> {
        let found = pattern.match_node(graph, id)?;
        let mut builder = PatchBuilder::new(graph);
        self.0.apply(&found, &mut builder, cx)?;
        let patch = builder.finish();
        if self.0.must_pay() && !patch.is_empty() {
            let gain = gain(cx.cost_model(), graph, &patch)?;
            if gain <= 0.0 {
                return Err(Reject::because(format!("it would take {:.0} ns longer", -gain)));
            }
        }
        Ok(patch)
    }
}

fn is_unread(graph: &Graph, node: &Node) -> bool {
    node.outputs().iter().all(|&value| graph.value(value).uses().is_empty())
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
