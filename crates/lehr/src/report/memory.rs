//! The section on memory over time.

use maud::{Markup, html};

use super::chart::{Sample, area};
use super::figures;
use super::timing::Timing;

/// The memory that is alive at each executed node; nothing without measurements.
pub fn section(timing: &Timing<'_>, constants: u64) -> Option<Markup> {
    let nodes = timing.nodes();
    // Of equal ones the first, which the chart marks too.
    let peak = nodes.iter().rev().max_by_key(|node| node.live_bytes)?;
    let samples: Vec<Sample> = nodes
        .iter()
        .map(|node| Sample {
            value: node.live_bytes as f64,
            tip: format!("{}\n{}\n{}", node.node, node.op, figures::bytes(node.live_bytes)),
        })
        .collect();
    let label = html! { strong { (figures::bytes(peak.live_bytes)) } " " (figures::name(&peak.node)) };
    Some(html! {
        section #memory {
            h2 { "Memory over time" }
            p.lead {
                "Computed values that are alive while each node runs, in the order of execution. At most "
                strong { (figures::bytes(peak.live_bytes)) }
                ", while " (figures::name(&peak.node)) " (" (figures::name(&peak.op)) ") runs; the constants, "
                (figures::bytes(constants)) ", come on top."
            }
            figure {
                (area(&samples, &label, |value| figures::bytes(value as u64)))
                figcaption.axis { span { "first node" } span { (figures::plural(nodes.len(), "node", "nodes")) } span { "last node" } }
            }
        }
    })
}
