//! The section on where the time goes.

use std::collections::BTreeMap;

use lehr_runtime::NodeProfile;
use maud::{Markup, html};

use super::chart::{Part, bar, ring};
use super::figures;
use super::kind::Kind;
use super::timing::{REFERENCE, Timing};

/// The most nodes that are listed.
const MAX_NODES: usize = 25;
/// The most operators of the ring; the others are one part.
const MAX_OPERATORS: usize = 8;

/// Time by operator and by node; `anchors` leads from a node's name to its box in the drawing.
pub fn section(
    timing: &Timing<'_>,
    kinds: &BTreeMap<String, Kind>,
    anchors: &BTreeMap<String, String>,
) -> Option<Markup> {
    let mut nodes = timing.nodes().to_vec();
    nodes.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    let shown = nodes.get(..MAX_NODES).unwrap_or(&nodes);
    let rest = nodes.get(shown.len()..).unwrap_or_default();
    let slowest = nodes.first()?;
    let total = figures::milliseconds(timing.total());
    Some(html! {
        section #latency {
            h2 { "Where the time goes" }
            p.lead {
                "The slowest node, " (figures::name(&slowest.node)) ", takes "
                strong { (figures::percent(timing.share(timing.ms(slowest)))) }
                " of the time of all nodes" (references(timing)) "."
            }
            (ring(&by_operator(timing, kinds), &total, "in all nodes"))
            h3 { "Slowest nodes" }
            ol.bars {
                @for node in shown { (row(timing, node, kinds, anchors)) }
            }
            @if !rest.is_empty() {
                @let ms = rest.iter().map(|node| timing.ms(node)).sum::<f64>();
                p.note {
                    "The other " (figures::plural(rest.len(), "node takes ", "nodes take "))
                    (figures::milliseconds(ms)) " together, " (figures::percent(timing.share(ms))) "."
                }
            }
        }
    })
}

fn references(timing: &Timing<'_>) -> String {
    let without: Vec<_> = timing.nodes().iter().filter(|node| node.kernel == REFERENCE).collect();
    if without.is_empty() {
        return "; every node has a fast kernel".to_owned();
    }
    let ms: f64 = without.iter().map(|node| timing.ms(node)).sum();
    let nodes = figures::plural(
        without.len(),
        "node without a fast kernel takes",
        "nodes without a fast kernel take",
    );
    format!("; {nodes} {}", figures::percent(timing.share(ms)))
}

fn row(
    timing: &Timing<'_>,
    node: &NodeProfile,
    kinds: &BTreeMap<String, Kind>,
    anchors: &BTreeMap<String, String>,
) -> Markup {
    let ms = timing.ms(node);
    let class = kind(kinds, &node.op).class();
    let relative = if timing.slowest() > 0.0 { ms / timing.slowest() } else { 0.0 };
    html! {
        li {
            span.what {
                @match anchors.get(&node.node) {
                    Some(anchor) => { a.name href={ "#" (anchor) } { (node.node) } }
                    None => { (figures::name(&node.node)) }
                }
                span.soft {
                    (figures::name(&node.op))
                    @if node.kernel == REFERENCE {
                        span.tag.warm title="evaluated by its reference definition: it has no fast kernel" { (REFERENCE) }
                    } @else {
                        " · " (figures::name(&node.kernel))
                    }
                }
            }
            (bar(relative, class))
            span.figure { (figures::milliseconds(ms)) }
            span.figure.soft { (figures::percent(timing.share(ms))) }
        }
    }
}

fn kind(kinds: &BTreeMap<String, Kind>, operator: &str) -> Kind {
    kinds.get(operator).copied().unwrap_or(Kind::Other)
}

/// Milliseconds by operator, most first; operators of one kind have one colour in several strengths.
fn by_operator(timing: &Timing<'_>, kinds: &BTreeMap<String, Kind>) -> Vec<Part> {
    let mut sums: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    for node in timing.nodes() {
        let sum = sums.entry(&node.op).or_default();
        sum.0 += timing.ms(node);
        sum.1 += 1;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
    let rest = sums.split_off(sums.len().min(MAX_OPERATORS));
    let mut seen: BTreeMap<Kind, usize> = BTreeMap::new();
    let mut parts: Vec<Part> = Vec::new();
    for (operator, (ms, nodes)) in sums {
        let kind = kind(kinds, operator);
        let strength = seen.entry(kind).or_default();
        parts.push(Part {
            label: if nodes > 1 { format!("{nodes} × {operator}") } else { operator.to_owned() },
            value: ms,
            text: figures::milliseconds(ms),
            class: format!("{} s{}", kind.class(), (*strength).min(3)),
        });
        *strength += 1;
    }
    let ms: f64 = rest.iter().map(|(_, (ms, _))| ms).sum();
    if !rest.is_empty() {
        let label = figures::plural(rest.len(), "other operator", "other operators");
        parts.push(Part { label, value: ms, text: figures::milliseconds(ms), class: "rest".to_owned() });
    }
    parts
}
