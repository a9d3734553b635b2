//! The section on the graph before and after.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::figures;
use super::graph_drawing::{drawing, legend, strip};
use super::node_names::node_name;
use super::timing::Timing;
use crate::deploy::{Outcome, Snapshot};
use crate::summary::OperatorCount;

/// What the identifiers of nodes begin with.
const BEFORE: &str = "before-";
const AFTER: &str = "after-";

/// Both graphs side by side, and which operators came and went.
pub fn section(outcome: &Outcome, timing: &Timing<'_>) -> Markup {
    let graphs = [&outcome.before.graph, &outcome.after.graph];
    html! {
        section #graph {
            h2 { "The graph" }
            p.lead {
                (counts(outcome.before.summary.nodes, outcome.after.summary.nodes))
                " Constants are not drawn; the line inside a box is the time of the node against the slowest."
            }
            (legend(&graphs))
            div.columns {
                (side("as imported", &outcome.before, &Timing::default(), BEFORE))
                (side("in the bundle", &outcome.after, timing, AFTER))
            }
            (operators(&outcome.before.summary.operators, &outcome.after.summary.operators))
        }
    }
}

fn side(title: &str, snapshot: &Snapshot, timing: &Timing<'_>, anchor: &str) -> Markup {
    html! {
        figure.graph {
            figcaption {
                strong { (title) } " "
                span.soft { (figures::plural(snapshot.summary.nodes, "node", "nodes")) }
            }
            (strip(&snapshot.graph))
            (drawing(&snapshot.graph, timing, anchor))
        }
    }
}

fn counts(before: usize, after: usize) -> Markup {
    let nodes = figures::plural(before, "node", "nodes");
    html! {
        @if before == after { (nodes) ", as many as were imported." }
        @else { (nodes) " became " strong { (figures::count(after as u64)) } "." }
    }
}

/// Where the boxes of the graph in the bundle are, by the names of their nodes.
pub fn anchors(outcome: &Outcome) -> BTreeMap<String, String> {
    let graph = &outcome.after.graph;
    graph.node_ids().map(|id| (node_name(graph, id), format!("{AFTER}{}", id.index()))).collect()
}

fn operators(before: &[OperatorCount], after: &[OperatorCount]) -> Markup {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    before.iter().for_each(|operator| counts.entry(&operator.name).or_default().0 = operator.nodes);
    after.iter().for_each(|operator| counts.entry(&operator.name).or_default().1 = operator.nodes);
    let (changed, same): (Vec<_>, Vec<_>) =
        counts.into_iter().partition(|(_, (before, after))| before != after);
    html! {
        h3 { "Operators" }
        ul.chips {
            @for (name, (before, after)) in &changed {
                li class=(if before > after { "fewer" } else { "more" }) {
                    (figures::name(name)) " " span.figure { (before) " → " (after) }
                }
            }
            @for (name, (_, after)) in &same {
                li { (figures::name(name)) " " span.figure { (after) } }
            }
        }
    }
}
