//! The section on the examples: what the deployed model says of each.

use maud::{Markup, html};

use super::answers::answers;
use super::figures;
use super::overlay;
use crate::deploy::Example;

/// The most examples that are shown.
const MAX_EXAMPLES: usize = 60;

/// A card for each example.
pub fn section(examples: &[Example]) -> Option<Markup> {
    let shown = examples.get(..MAX_EXAMPLES).unwrap_or(examples);
    let judged = examples.iter().filter(|example| example.correct.is_some()).count();
    let wrong = examples.iter().filter(|example| example.correct == Some(false)).count();
    (!examples.is_empty()).then(|| {
        html! {
            section #examples {
                h2 { "Examples" }
                p.lead {
                    "What the bundle says of " (figures::plural(examples.len(), "example", "examples"))
                    @if judged > 0 && wrong == 0 { "; all " (judged) " with a known answer are right" }
                    @if wrong > 0 { "; " (wrong) " of the " (judged) " with a known answer are wrong" }
                    "."
                }
                @let (pictures, others): (Vec<_>, Vec<_>) = shown.iter().partition(|example| example.picture.is_some());
                div.cards { @for example in &pictures { (card(example, longest_side(pictures.len()))) } }
                div.cards { @for example in &others { (card(example, 0)) } }
                @if examples.len() > shown.len() {
                    p.note { "and " (figures::plural(examples.len() - shown.len(), "other example", "other examples")) }
                }
            }
        }
    })
}

/// Many pictures are smaller, so that the page stays light.
fn longest_side(examples: usize) -> u32 {
    match examples {
        0..=8 => 640,
        9..=24 => 480,
        _ => 320,
    }
}

fn card(example: &Example, longest: u32) -> Markup {
    let picture =
        example.picture.as_ref().and_then(|image| overlay::figure(image, &example.answers, longest));
    let on_picture = picture.is_some();
    let name = example.source.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| example.source.display().to_string());
    html! {
        article.card {
            @if let Some(picture) = picture { (picture) }
            div.said {
                h3 title=(example.source.display()) { (figures::name(&name)) (mark(example)) }
                (answers(&example.answers, on_picture))
            }
        }
    }
}

fn mark(example: &Example) -> Markup {
    let expected = example.expected.as_deref().map(|label| figures::shortened(label, 60));
    html! {
        @match (example.correct, expected) {
            (Some(true), _) => { span.tag.right { "✓ right" } }
            (Some(false), Some(label)) => { span.tag.wrong { "✗ expected " (figures::name(&label)) } }
            (Some(false), None) => { span.tag.wrong { "✗ wrong" } }
            (None, Some(label)) => { span.tag { "expected " (figures::name(&label)) } }
            (None, None) => {}
        }
    }
}
