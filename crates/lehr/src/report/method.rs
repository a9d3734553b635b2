//! The last section: what the passes did, and what every figure means.

use maud::{Markup, html};

use super::chart::bar;
use super::figures;
use crate::deploy::{Outcome, PassCount};
use crate::summary::{CACHE_PJ_PER_BYTE, DRAM_PJ_PER_BYTE, Energy};

/// How often which pass edited the graph.
pub fn passes(passes: &[PassCount]) -> Option<Markup> {
    let (busy, idle): (Vec<_>, Vec<_>) = passes.iter().partition(|pass| pass.edits > 0);
    let most = busy.iter().map(|pass| pass.edits).max().unwrap_or(1);
    (!passes.is_empty()).then(|| {
        html! {
            section #passes {
                h2 { "What the passes did" }
                p.lead { (figures::plural(busy.iter().map(|pass| pass.edits).sum(), "edit", "edits")) " of the graph." }
                @if !busy.is_empty() {
                    ol.bars.short {
                        @for pass in &busy {
                            li {
                                span.what { (figures::name(&pass.pass)) }
                                (bar(pass.edits as f64 / most as f64, "glow"))
                                span.figure { (figures::count(pass.edits as u64)) }
                            }
                        }
                    }
                }
                @if !busy.is_empty() { (effects(&busy)) }
                @if !idle.is_empty() {
                    p.note {
                        "Nothing to do for "
                        @for (index, pass) in idle.iter().enumerate() { @if index > 0 { ", " } (figures::name(&pass.pass)) }
                        "."
                    }
                }
            }
        }
    })
}

/// By how much each pass changed the graph.
fn effects(passes: &[&PassCount]) -> Markup {
    let titles = ["nodes", "parameter bytes", "MACs", "bytes moved", "energy", "time"];
    html! {
        div.scroll { table.stages {
            thead { tr {
                th scope="col" { "pass" }
                @for title in titles { th.number scope="col" { (title) } }
            } }
            tbody { @for pass in passes { tr {
                th scope="row" { (figures::name(&pass.pass)) span.soft { (pass.exactness) } }
                td.number { (signed(pass.nodes as f64, |n| figures::count(n as u64))) }
                td.number { (signed(pass.parameter_bytes as f64, |n| figures::bytes(n as u64))) }
                td.number { (signed(pass.macs as f64, |n| figures::count(n as u64))) }
                td.number { (signed(pass.bytes_moved as f64, |n| figures::bytes(n as u64))) }
                td.number { (signed(pass.energy_uj, figures::energy)) }
                td.number.soft { (figures::milliseconds(pass.milliseconds)) }
            } } }
        } }
        p.note { "Changes of one inference with every symbolic size taken as 1; less is better. Energy is estimated." }
    }
}

/// A change with its sign.
fn signed(change: f64, text: impl Fn(f64) -> String) -> String {
    match change {
        0.0 => "–".to_owned(),
        change if change < 0.0 => format!("−{}", text(-change)),
        change => format!("+{}", text(change)),
    }
}

/// What the figures mean and how they were measured.
pub fn method(outcome: &Outcome) -> Markup {
    let machine = &outcome.machine;
    html! {
        section #method {
            h2 { "How it was measured" }
            dl.method {
                dt { "Latency" }
                dd {
                    "The median time of one inference of the model alone, without what happens before and after it, with "
                    (machine.isa) " kernels on " (figures::plural(machine.threads, "thread", "threads"))
                    ". Results do not depend on the number of threads."
                }
                dt { "Time of the nodes" }
                dd {
                    "From a profile of " (figures::plural(usize::try_from(outcome.profile.runs).unwrap_or(usize::MAX), "run", "runs"))
                    " of the graph in the bundle, " (figures::milliseconds(outcome.profile.ms / outcome.profile.runs.max(1) as f64))
                    " each; measuring every node makes a run a little slower. Nodes with subgraphs include their time."
                }
                dt { "Peak memory" }
                dd { "The most bytes of computed values alive at once; constants and the program itself come on top." }
                dt { "MACs" }
                dd { "Multiply-accumulates of one inference, from the shapes; every subgraph counts as if it ran once." }
                dt { "Energy" }
                dd { (energy(outcome.after.summary.energy.as_ref())) }
                dt { "Max difference" }
                dd {
                    "The largest max|a−b| / max|b| of any output on the examples, b being the outputs of the graph as it was imported."
                }
                dt { "Size" }
                dd { "The bytes of the file where a stage wrote one, else those of all constants, shared ones once." }
            }
        }
    }
}

fn energy(energy: Option<&Energy>) -> Markup {
    html! {
        "An estimate, not a measurement: published numbers of a 45 nm chip. A multiply-accumulate takes 4.6 pJ in f32, 1.5 pJ in \
         f16, 0.23 pJ in 8-bit and 3.2 pJ in wider integers; constants are read once from memory outside the chip at "
        (DRAM_PJ_PER_BYTE) " pJ per byte, everything else goes through memory on the chip at " (CACHE_PJ_PER_BYTE)
        " pJ per byte. "
        @if let Some(Energy { compute_uj, parameters_uj, activations_uj }) = energy {
            "For the graph in the bundle: " (figures::energy(*compute_uj)) " of computation, " (figures::energy(*parameters_uj))
            " of reading constants, " (figures::energy(*activations_uj)) " of other traffic. "
        }
        "Comparisons between two versions of a model mean more than the values. M. Horowitz, “Computing’s energy problem (and what \
         we can do about it)”, ISSCC 2014, " a href="https://doi.org/10.1109/ISSCC.2014.6757323" { "doi:10.1109/ISSCC.2014.6757323" } "."
    }
}
