//! Charts: bars, a ring, an area over steps. Text is HTML beside the shapes, so that it keeps its size on every screen.

use std::fmt::Write;

use maud::{Markup, html};

use super::figures::{attribute, percent};

/// A part of a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it is called.
    pub label: String,
    /// How much it is.
    pub value: f64,
    /// How much it is, for people.
    pub text: String,
    /// The class that sets its colour.
    pub class: String,
}

/// A bar that fills a share of its track.
pub fn bar(share: f64, class: &str) -> Markup {
    let width = attribute(share.clamp(0.0, 1.0) * 100.0);
    html! { span.bar aria-hidden="true" { i class=(class) style={ "width:" (width) "%" } {} } }
}

/// Parts next to each other, with a legend.
pub fn stacked(parts: &[Part]) -> Markup {
    let total: f64 = parts.iter().map(|part| part.value).sum();
    html! {
        div.stacked aria-hidden="true" {
            @for part in parts.iter().filter(|part| part.value > 0.0) {
                i class=(part.class) style={ "flex-grow:" (attribute(1000.0 * part.value / total)) }
                    title={ (part.label) ": " (part.text) } {}
            }
        }
        (legend(parts, total))
    }
}

/// Parts as a ring around a text, with a legend.
pub fn ring(parts: &[Part], middle: &str, below: &str) -> Markup {
    let total: f64 = parts.iter().map(|part| part.value).sum();
    let mut start = 0.0;
    let arcs: Vec<_> = parts
        .iter()
        .filter(|part| part.value > 0.0)
        .map(|part| {
            let from = start;
            start += part.value / total;
            (arc(from, start), part)
        })
        .collect();
    html! {
        div.ring {
            svg viewBox="-50 -50 100 100" role="img" aria-label={ (middle) " " (below) } {
                @for (path, part) in &arcs {
                    path class=(part.class) d=(path) { title { (part.label) "\n" (part.text) } }
                }
                text.middle y="1" { (middle) }
                text.below y="12" { (below) }
            }
            (legend(parts, total))
        }
    }
}

/// A segment of a ring between two shares of the whole turn, clockwise from the top.
fn arc(from: f64, to: f64) -> String {
    const OUTER: f64 = 48.0;
    const INNER: f64 = 33.0;
    // An arc from a point to itself would be nothing.
    let to = to.min(from + 0.9999);
    let at = |share: f64, radius: f64| {
        let angle = (share - 0.25) * std::f64::consts::TAU;
        format!("{:.3} {:.3}", radius * angle.cos(), radius * angle.sin())
    };
    let large = u8::from(to - from > 0.5);
    format!(
        "M{}A{OUTER} {OUTER} 0 {large} 1 {}L{}A{INNER} {INNER} 0 {large} 0 {}Z",
        at(from, OUTER),
        at(to, OUTER),
        at(to, INNER),
        at(from, INNER)
    )
}

fn legend(parts: &[Part], total: f64) -> Markup {
    html! {
        ul.legend {
            @for part in parts {
                li {
                    i class={ "dot " (part.class) } {}
                    span.name { (part.label) } " "
                    span.figure { (part.text) }
                    @if total > 0.0 { " " span.soft { (percent(part.value / total)) } }
                }
            }
        }
    }
}

/// A step of an area chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its height.
    pub value: f64,
    /// What is said when it is pointed at.
    pub tip: String,
}

/// The most steps that are drawn; of more, neighbours share a step of the height of the highest.
const MAX_STEPS: usize = 600;

/// Steps as an area; the first highest is marked with `peak`. `scale` writes the numbers at the left.
pub fn area(samples: &[Sample], peak: &Markup, scale: impl Fn(f64) -> String) -> Markup {
    let per_step = samples.len().div_ceil(MAX_STEPS).max(1);
    let highest = |group: &[Sample]| group.iter().map(|sample| sample.value).fold(0.0, f64::max);
    let groups: Vec<&[Sample]> = samples.chunks(per_step).collect();
    let top = highest(samples);
    let ticks = ticks(top);
    let end = ticks.last().copied().filter(|end| *end > 0.0).unwrap_or(1.0);
    let heights: Vec<f64> = groups.iter().map(|group| 100.0 * highest(group) / end).collect();
    let at = samples.iter().position(|sample| sample.value >= top).unwrap_or(0);
    let left = 100.0 * (at as f64 + 0.5) / samples.len().max(1) as f64;
    let side = if left > 55.0 { "peak left" } else { "peak" };
    html! {
        div.area {
            div.scale aria-hidden="true" {
                @for tick in &ticks { span style={ "bottom:" (attribute(100.0 * tick / end)) "%" } { (scale(*tick)) } }
            }
            div.plot {
                svg viewBox={ "0 0 " (heights.len()) " 100" } preserveAspectRatio="none" aria-hidden="true" {
                    @for tick in &ticks {
                        path.grid d={ "M0 " (attribute(100.0 - 100.0 * tick / end)) "H" (heights.len()) } {}
                    }
                    path.fill d={ (outline(&heights)) "V100H0Z" } {}
                    path.outline d=(outline(&heights)) {}
                    @for (x, group) in groups.iter().enumerate() {
                        rect.step x=(x) y="0" width="1" height="100" { title { (tip(group)) } }
                    }
                }
                span class=(side) style={ "left:" (attribute(left)) "%;bottom:" (attribute(100.0 * top / end)) "%" } {
                    (peak)
                }
            }
        }
    }
}

fn tip(group: &[Sample]) -> &str {
    let highest = group.iter().max_by(|a, b| a.value.total_cmp(&b.value));
    highest.map_or("", |sample| &sample.tip)
}

/// The upper edge of steps of width 1, from the top left.
fn outline(heights: &[f64]) -> String {
    let mut path = String::new();
    for (x, height) in heights.iter().enumerate() {
        let y = attribute(100.0 - height);
        let _ = if x == 0 { write!(path, "M0 {y}H1") } else { write!(path, "V{y}H{}", x + 1) };
    }
    path
}

/// Round numbers from 0 to at least `top`.
fn ticks(top: f64) -> Vec<f64> {
    if top <= 0.0 || !top.is_finite() {
        return vec![0.0];
    }
    let rough = top / 4.0;
    let size = 10f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|m| m * size).find(|s| *s >= rough).unwrap_or(rough);
    let count = (top / step).ceil() as u32;
    (0..=count).map(|n| f64::from(n) * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_the_top() {
        assert_eq!(ticks(8.0), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(ticks(9.0), [0.0, 2.5, 5.0, 7.5, 10.0]);
        assert_eq!(ticks(0.0), [0.0]);
        assert!(ticks(1e300).len() < 8);
    }

    #[test]
    fn a_whole_ring_is_drawn_too() {
        assert!(arc(0.0, 1.0).starts_with("M0.000 -48.000A48 48 0 1 1 "));
    }

    #[test]
    fn many_samples_share_steps_and_keep_the_highest() {
        let sample = |i: usize| Sample { value: if i == 777 { 9.0 } else { 1.0 }, tip: format!("n{i}") };
        let samples: Vec<Sample> = (0..5000).map(sample).collect();
        let page = area(&samples, &html! { "peak" }, |v| v.to_string()).into_string();
        assert!(page.contains("n777"));
        assert!(page.matches("<rect").count() <= MAX_STEPS);
    }
}
