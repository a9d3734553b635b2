//! The table of the stages.

use maud::{Markup, html};

use super::figures;
use super::quantity::Quantity;
use crate::deploy::Stage;

/// Changes below this share are shown without a judgement: measured times vary as much.
const NOTABLE: f64 = 0.02;

/// The stages one after the other, with the change of each figure against the last stage that has it.
pub fn section(stages: &[Stage]) -> Markup {
    let columns: Vec<Quantity> = Quantity::ALL.into_iter().filter(|q| q.last(stages).is_some()).collect();
    let has_difference = stages.iter().any(|stage| stage.max_difference.is_some());
    html! {
        section #stages {
            h2 { "Stages" }
            p.lead { "What each stage left behind; small figures are the change since the stage before." }
            div.scroll { table.stages {
                thead { tr {
                    th scope="col" { "stage" }
                    @for column in &columns { th.number scope="col" { (column.title()) } }
                    @if has_difference { th.number scope="col" { "max difference" } }
                    th.number scope="col" { "took" }
                } }
                tbody {
                    @for (index, stage) in stages.iter().enumerate() {
                        tr {
                            th scope="row" { (stage.name) @if !stage.note.is_empty() { span.soft { (stage.note) } } }
                            @for column in &columns { (cell(*column, stage, stages.get(..index).unwrap_or_default())) }
                            @if has_difference { td.number { (difference(stage.max_difference)) } }
                            td.number.soft { (figures::seconds(stage.seconds)) }
                        }
                    }
                }
            } }
        }
    }
}

fn cell(quantity: Quantity, stage: &Stage, earlier: &[Stage]) -> Markup {
    let value = quantity.of(stage);
    html! {
        @match value {
            Some(value) => { td.number { (quantity.text(value)) (change(quantity.last(earlier), value)) } }
            None => { td.number.absent { "–" } }
        }
    }
}

/// The change of a figure of which less is better; nothing when there is none.
pub fn change(before: Option<f64>, after: f64) -> Markup {
    let text = before.and_then(|before| figures::change(before, after));
    html! {
        @if let (Some(before), Some(text)) = (before, text) { span class=(change_class(before, after)) { (text) } }
    }
}

fn change_class(before: f64, after: f64) -> &'static str {
    match after / before - 1.0 {
        change if change.abs() < NOTABLE => "change soft",
        change if change < 0.0 => "change better",
        _ => "change worse",
    }
}

fn difference(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(0.0) => "none".to_owned(),
        Some(value) => figures::value(value),
    }
}
