//! Graphs as drawings: a layered one in a box that scrolls, and a strip that shows all nodes at once.

mod layering;
mod layout;
mod network;
mod ordering;
mod placing;
mod routing;
mod straightening;
mod svg;

use lehr_graph::Graph;
use maud::{Markup, html};

use self::layout::Layout;
use self::network::{Network, Vertex};
use super::figures;
use super::kind::Kind;
use super::timing::Timing;

/// The most boxes of a drawing; graphs with more have chains of nodes in one box, and no drawing if that is not enough.
const MAX_BOXES: usize = 1500;

/// The drawing of a graph; `anchor` begins the identifiers of its nodes.
pub fn drawing(graph: &Graph, timing: &Timing<'_>, anchor: &str) -> Markup {
    let all = Network::of(graph, timing);
    let is_small = all.vertices.len() <= MAX_BOXES;
    let network = if is_small { all } else { all.with_chains_collapsed() };
    if network.vertices.len() > MAX_BOXES {
        let nodes = figures::plural(graph.n_nodes(), "node", "nodes");
        return html! { p.note { "The graph has " (nodes) ", too many to be drawn." } };
    }
    let widths: Vec<f64> = network.vertices.iter().map(Vertex::width).collect();
    let Some(layout) = Layout::new(&widths, &network.edges) else {
        return html! { p.note { "The graph has a cycle and can not be drawn." } };
    };
    html! {
        div.drawing tabindex="0" role="group" aria-label="drawing of the graph" {
            (svg::svg(&network, &layout, anchor))
        }
        @if !is_small { p.note { "Nodes that follow each other without another way in or out share a box." } }
        @if !layout.cut.is_empty() {
            p.note { "Of " (figures::plural(layout.cut.len(), "long edge", "long edges")) " only the ends are drawn." }
        }
    }
}

/// All nodes from the first to the last, coloured by their kind of work.
pub fn strip(graph: &Graph) -> Markup {
    let kinds: Vec<Kind> = graph.node_ids().map(|id| Kind::of(graph, id)).collect();
    let runs = kinds.chunk_by(|a, b| a == b).scan(0, |end, run| {
        let start = *end;
        *end += run.len();
        Some((start, run.len(), *run.first()?))
    });
    html! {
        svg.strip viewBox={ "0 0 " (kinds.len().max(1)) " 1" } preserveAspectRatio="none" aria-hidden="true" {
            @for (start, length, kind) in runs {
                rect class=(kind.class()) x=(start) y="0" width=(length) height="1" {}
            }
        }
    }
}

/// What the colours mean, for the kinds that occur.
pub fn legend(graphs: &[&Graph]) -> Markup {
    let kinds = || graphs.iter().flat_map(|graph| graph.node_ids().map(|id| Kind::of(graph, id)));
    html! {
        ul.legend {
            @for kind in Kind::ALL.into_iter().filter(|kind| kinds().any(|other| other == *kind)) {
                li { i class={ "dot " (kind.class()) } {} (kind.title()) }
            }
        }
    }
}
