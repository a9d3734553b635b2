//! The top of the page: what came out, in a sentence and a few figures.

use maud::{Markup, html};

use super::figures;
use super::quantity::Quantity;
use super::stages::change;
use crate::deploy::{Outcome, Stage};

/// Name, sentence, figures, machine.
pub fn header(outcome: &Outcome) -> Markup {
    let machine = &outcome.machine;
    html! {
        header {
            p.over { "deployment report" }
            h1 { (outcome.name) }
            p.result { (sentence(outcome)) }
            dl.tiles { @for tile in tiles(outcome) { (tile) } }
            p.machine {
                "Made from " (file_name(&outcome.model))
                @if !outcome.producer.is_empty() { ", written by " (figures::name(&outcome.producer)) "," }
                " into " (file_name(&outcome.bundle)) " by lehr " (machine.version) ". Measured with "
                (machine.isa) " kernels on " (figures::plural(machine.threads, "thread", "threads")) "."
            }
        }
    }
}

fn file_name(path: &std::path::Path) -> Markup {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| path.display().to_string());
    html! { span.name title=(path.display()) { (name) } }
}

/// The facts that are known, as one sentence.
fn sentence(outcome: &Outcome) -> Markup {
    let stages = &outcome.stages;
    let text = |quantity: Quantity| Some(quantity.text(quantity.last(stages)?));
    let mut facts = vec![html! {
        @match text(Quantity::Size) {
            Some(size) => { "A model of " strong { (size) } }
            None => { "A model of " strong { (figures::count(outcome.after.summary.parameters)) } " parameters" }
        }
        @if let Some(latency) = text(Quantity::Latency) { " that answers in " strong { (latency) } }
    }];
    facts.extend(answers(outcome));
    facts.extend(stages.iter().rev().find_map(|stage| stage.max_difference).map(equality));
    html! {
        @for (index, fact) in facts.iter().enumerate() { @if index > 0 { "; " } (fact) }
        "."
    }
}

fn answers(outcome: &Outcome) -> Option<Markup> {
    let judged: Vec<bool> = outcome.examples.iter().filter_map(|example| example.correct).collect();
    let right = judged.iter().filter(|correct| **correct).count();
    match (judged.len(), outcome.examples.len()) {
        (0, 0) => None,
        (0, all) => Some(html! { (figures::plural(all, "example", "examples")) " answered" }),
        (judged, _) => Some(html! { strong { (right) " of " (judged) } " examples right" }),
    }
}

fn equality(difference: f64) -> Markup {
    html! {
        @if difference == 0.0 {
            "identical to the imported graph, bit for bit"
        } @else {
            "identical to the imported graph within " strong { (figures::value(difference)) }
        }
    }
}

/// The key figures with their changes since the import.
fn tiles(outcome: &Outcome) -> Vec<Markup> {
    let tiles = [
        (Quantity::Size, ""),
        (Quantity::Latency, "median"),
        (Quantity::Memory, "of computed values"),
        (Quantity::Parameters, ""),
        (Quantity::Macs, "of one inference"),
        (Quantity::Energy, "of one inference"),
    ];
    tiles.into_iter().filter_map(|(quantity, note)| tile(quantity, note, &outcome.stages)).collect()
}

fn tile(quantity: Quantity, note: &str, stages: &[Stage]) -> Option<Markup> {
    let value = quantity.last(stages)?;
    Some(html! {
        div.tile {
            dt { (quantity.title()) }
            dd {
                (quantity.text(value)) (change(quantity.first(stages), value))
                @if !note.is_empty() { span.soft { (note) } }
            }
        }
    })
}
