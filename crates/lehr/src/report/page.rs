//! The page: head, sections in their order, style and script.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::timing::Timing;
use super::{examples, graphs, headline, kind, latency, memory, method, sizes, stages};
use crate::deploy::Outcome;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The whole page.
pub fn page(outcome: &Outcome) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (outcome.name) " · deployment report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (headline::header(outcome))
                (contents(outcome))
                main { (sections(outcome)) }
                footer { "Written by lehr " (outcome.machine.version) "." }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

fn sections(outcome: &Outcome) -> Markup {
    let timing = Timing::of(&outcome.profile);
    let kinds = kind::of_operators(&outcome.after.graph);
    html! {
        (stages::section(&outcome.stages))
        @if let Some(section) = examples::section(&outcome.examples) { (section) }
        (graphs::section(outcome, &timing))
        @if let Some(section) = memory::section(&timing, outcome.after.summary.parameter_bytes) { (section) }
        @if let Some(section) = latency::section(&timing, &kinds, &graphs::anchors(outcome)) { (section) }
        (sizes::section(&outcome.segments, &outcome.after.graph, &kinds))
        @if let Some(section) = method::passes(&outcome.passes) { (section) }
        (method::method(outcome))
    }
}

fn contents(outcome: &Outcome) -> Markup {
    let measured = !outcome.profile.nodes.is_empty();
    let links = [
        ("stages", "Stages", true),
        ("examples", "Examples", !outcome.examples.is_empty()),
        ("graph", "Graph", true),
        ("memory", "Memory", measured),
        ("latency", "Time", measured),
        ("sizes", "Space", true),
        ("passes", "Passes", !outcome.passes.is_empty()),
        ("method", "Method", true),
    ];
    html! {
        nav aria-label="sections" {
            @for (id, title, _) in links.iter().filter(|(.., there)| *there) { a href={ "#" (id) } { (title) } }
        }
    }
}
