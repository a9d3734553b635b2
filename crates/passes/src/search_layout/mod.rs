//! The search for layouts: every value may have its axes in any order that its neighbours take, and the Transposes go where
//! they cost least – as a rule nowhere. Models that were exported from TensorFlow, where channels come last, have a
//! Transpose on each side of every convolution; here they find each other through whatever lies between.
//!
//! - A value behind Transposes is a view of the value in front of them (`views`); a Transpose is what lies between the order
//!   in which a value is written and the one in which it is read.
//! - What a node can do with an order, it says itself: [`lehr_graph::Op::permuted`]. Operators without it are bound to
//!   theirs. The orders that occur are those of the graph's Transposes and what they become behind each node (`choices`).
//! - The cheapest choice of orders is a partitioned boolean quadratic problem (`pbqp`; for layouts see Anderson and Gregg,
//!   "Optimal DNN primitive selection with partitioned boolean quadratic programming", 2018). A vertex is a node with its
//!   orders, or a value with the order in which it is handed on, so that readers share a Transpose; an edge costs the
//!   Transpose between both (`assignment`).
//! - Each part of the graph is edited, in place (`apply`), only if that makes it faster and for no size slower. Among equals
//!   a Transpose stands best at an input or output of the graph: between nodes it keeps fusible neighbours apart.
//!
//! All times are those of the [`crate::CostModel`], which sees every node as it would be, with its axes and shapes renamed: a model
//! that knows how fast a kernel is in each order of axes moves the result without another word. Blocked layouts, as
//! kernels with channels in blocks of eight have them, would be further choices of a node beside permutations: an order
//! with a split axis, whose conversion has a price like any other.

mod apply;
mod assignment;
mod choices;
mod pbqp;
#[cfg(test)]
mod tests;
mod views;

use lehr_graph::{Graph, NodeId, Use, ValueId};

use crate::pass::{Changed, Exactness, OptLevel, Pass, PassCx, PassError, PassInfo};
use assignment::Space;
use choices::Choices;
use views::Views;

/// The pass.
pub struct SearchLayout;

impl Pass for SearchLayout {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "search_layout",
            doc: "orders the axes of all values so that the transposes between them cost least",
            level: OptLevel::O2,
            exactness: Exactness::BitExact,
        }
    }

    fn run(&self, graph: &mut Graph, cx: &mut PassCx<'_>) -> Result<Changed, PassError> {
        let views = Views::of(graph, cx);
        if views.transposes().is_empty() || cx.is_exhausted() {
            return Ok(Changed(0));
        }
        let choices = Choices::of(graph, &views, cx);
        let space = Space { graph, views: &views, choices: &choices, model: cx.cost_model() };
        let readings = space.readings();
        let (found, parts) = space.search(&readings);
        let mut chosen = space.original();
        let mut cost = space.total(&chosen, &readings);
        let mut changed = 0;
        for part in parts {
            let mut next = chosen.clone();
            next.extend(part.iter().map(|id| (*id, found.get(id).copied().unwrap_or(0))));
            let next_cost = space.total(&next, &readings);
            if next == chosen || !next_cost.is_better(&cost) {
                continue;
            }
            let place = part.first().copied();
            if !cx.permit(|| place.map(|id| lehr_graph::verify::describe_node(graph, id)).unwrap_or_default())
            {
                break;
            }
            (chosen, cost) = (next, next_cost);
            changed += 1;
        }
        if changed > 0 {
            let plan = apply::Plan::new(&space, &chosen, &readings);
            plan.apply(graph, &views, cx.pass());
        }
        Ok(Changed(changed))
    }
}

/// Nodes that read a value, with the input by which they do.
fn readers(graph: &Graph, value: ValueId) -> impl Iterator<Item = (NodeId, usize)> + '_ {
    graph.value(value).uses().iter().filter_map(|a_use| match *a_use {
        Use::Node { node, slot } => Some((node, slot)),
        Use::Output(_) => None,
    })
}
