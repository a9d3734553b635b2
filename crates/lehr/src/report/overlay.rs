//! A picture with what the model found in it drawn on top.

use std::fmt::Write;

use lehr_pipeline::{Answers, Image, Item, Object, Region};
use maud::{Markup, html};

use super::figures::{attribute, percent, shortened, text_width};
use super::picture;

/// The most objects that are drawn.
const MAX_OBJECTS: usize = 100;
/// The most of them that are named in the picture.
const MAX_NAMES: usize = 12;

/// The picture and, in its coordinates, masks, heat maps and objects.
pub fn figure(image: &Image, answers: &Answers, longest: u32) -> Option<Markup> {
    let uri = picture::of_image(image, longest)?;
    let (width, height) = (image.width(), image.height());
    let items: Vec<&Item> = answers.0.iter().map(|(_, item)| item).collect();
    let objects: Vec<&Object> = items.iter().flat_map(|item| objects_of(item)).take(MAX_OBJECTS).collect();
    let size = (width.max(height) as f64 / 26.0).max(8.0);
    Some(html! {
        svg.picture viewBox={ "0 0 " (width) " " (height) } role="img" aria-label="the picture and what was found in it" {
            image href=(uri) width=(width) height=(height) {}
            g.found {
                @for item in &items { (layer(item, width, height, longest)) }
                @for object in &objects { (layer_of_object(object, width, height, longest)) }
                @for (index, object) in objects.iter().enumerate() { (shape(object, index)) }
                @for (index, object) in objects.iter().enumerate().take(MAX_NAMES) { (caption(object, index, size)) }
            }
        }
    })
}

fn objects_of(item: &Item) -> &[Object] {
    match item {
        Item::Objects(objects) => objects,
        _ => &[],
    }
}

fn layer(item: &Item, width: usize, height: usize, longest: u32) -> Markup {
    let uri = match item {
        Item::Mask(mask) => picture::of_mask(mask, longest),
        Item::HeatMap(map) => picture::of_heat_map(map, longest),
        _ => None,
    };
    stretched(uri, width, height)
}

fn layer_of_object(object: &Object, width: usize, height: usize, longest: u32) -> Markup {
    stretched(object.mask.as_ref().and_then(|mask| picture::of_mask(mask, longest)), width, height)
}

fn stretched(uri: Option<String>, width: usize, height: usize) -> Markup {
    html! {
        @if let Some(uri) = uri {
            image.layer href=(uri) width=(width) height=(height) preserveAspectRatio="none" {}
        }
    }
}

fn shape(object: &Object, index: usize) -> Markup {
    html! {
        g class={ "object o" (index % 8) } {
            title { (title(object)) }
            @match &object.region {
                Region::Box { x1, y1, x2, y2 } => {
                    rect x=(coordinate(*x1)) y=(coordinate(*y1)) width=(coordinate((x2 - x1).max(0.0))) height=(coordinate((y2 - y1).max(0.0))) {}
                }
                Region::Polygon(points) => { polygon points=(corners(points)) {} }
            }
            @for point in &object.key_points {
                circle cx=(coordinate(point.x)) cy=(coordinate(point.y)) r="2.5" {}
            }
        }
    }
}

/// Its name over its upper left corner.
fn caption(object: &Object, index: usize, size: f64) -> Markup {
    let corner = match &object.region {
        Region::Box { x1, y1, .. } => Some([*x1, *y1]),
        Region::Polygon(points) => points.first().copied(),
    };
    let text = name(object).map(|name| shortened(&name, 24));
    html! {
        @if let (Some([x, y]), Some(text)) = (corner.map(|corner| corner.map(finite)), text) {
            @let top = (y - 1.4 * size).max(0.0);
            rect class={ "o" (index % 8) } x=(attribute(x)) y=(attribute(top)) height=(attribute(1.4 * size))
                width=(attribute(1.1 * text_width(&text, size) + size)) rx=(attribute(size / 5.0)) {}
            text x=(attribute(x + 0.5 * size)) y=(attribute(top + 1.02 * size)) font-size=(attribute(size)) { (text) }
        }
    }
}

/// What an object is called.
pub fn name(object: &Object) -> Option<String> {
    let class = object.class.as_ref();
    let label = || class.map(|class| class.label.clone().unwrap_or_else(|| format!("class {}", class.index)));
    object.text.clone().or_else(label)
}

fn title(object: &Object) -> String {
    let score = percent(f64::from(object.score));
    name(object).map_or_else(|| score.clone(), |name| format!("{name}\n{score}"))
}

fn corners(points: &[[f32; 2]]) -> String {
    let mut text = String::new();
    for [x, y] in points {
        let _ = write!(text, "{},{} ", coordinate(*x), coordinate(*y));
    }
    text.trim_end().to_owned()
}

fn coordinate(value: f32) -> String {
    attribute(finite(value))
}

fn finite(value: f32) -> f64 {
    if value.is_finite() { f64::from(value) } else { 0.0 }
}
