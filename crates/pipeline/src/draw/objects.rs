//! Boxes, polygons and key points with what they are.

use super::canvas::Canvas;
use super::palette::{ACCENT, INK, Rgb, WHITE, class_color, ink_on};
use super::typeface::Typeface;
use super::{Sizes, Style, maps};
use crate::{KeyPoint, Object, Region};

/// Draws objects, the surest last, and then their labels where they do not lie over each other.
pub fn objects(canvas: &mut Canvas, objects: &[Object], style: &Style, sizes: &Sizes, face: &Typeface) {
    let mut sorted: Vec<&Object> = objects.iter().collect();
    sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
    sorted.truncate(style.max_objects);
    for object in sorted.iter().rev() {
        let color = color(object);
        if let Some(mask) = &object.mask {
            maps::mask(canvas, mask, sizes.picture, style.mask_opacity, |_| color);
        }
        let outline = sizes.placed(&outline(&object.region));
        if matches!(object.region, Region::Polygon(_)) {
            canvas.fill_polygon(&outline, color, 0.12);
        }
        canvas.line(&outline, true, sizes.line * 2.0, INK, 0.45);
        canvas.line(&outline, true, sizes.line, color, 1.0);
        key_points(canvas, &object.key_points, style, sizes);
    }
    let mut taken = Vec::new();
    for object in sorted {
        let text = label(object, style);
        if !text.is_empty() {
            draw_label(canvas, object, &text, &mut taken, sizes, face);
        }
    }
}

fn color(object: &Object) -> Rgb {
    object.class.as_ref().map_or(ACCENT, |class| class_color(class.index))
}

fn outline(region: &Region) -> Vec<[f32; 2]> {
    match region {
        Region::Box { x1, y1, x2, y2 } => vec![[*x1, *y1], [*x2, *y1], [*x2, *y2], [*x1, *y2]],
        Region::Polygon(points) => points.clone(),
    }
}

fn label(object: &Object, style: &Style) -> String {
    let name = match (&object.text, &object.class) {
        _ if !style.labels => String::new(),
        (Some(text), _) => text.clone(),
        (None, Some(class)) => class.label.clone().unwrap_or_else(|| class.index.to_string()),
        (None, None) => String::new(),
    };
    match style.scores && object.text.is_none() {
        true => format!("{name} {:.2}", object.score).trim().to_owned(),
        false => name,
    }
}

/// Above the object, else below, else inside: the first place where no other label is.
fn draw_label(
    canvas: &mut Canvas,
    object: &Object,
    text: &str,
    taken: &mut Vec<[f32; 4]>,
    sizes: &Sizes,
    face: &Typeface,
) {
    let points = sizes.placed(&outline(&object.region));
    if points.is_empty() {
        return;
    }
    let [x1, y1, x2, y2] = Region::Polygon(points).bounds();
    let (width, height) = (sizes.picture.0 as f32, sizes.picture.1 as f32);
    let (size, pad) = (sizes.text, sizes.text * 0.25);
    let text = face.fitted(text, size, width - 2.0 * pad);
    let (label_width, label_height) = (face.width(&text, size) + 2.0 * pad, size + pad);
    let edge = sizes.line / 2.0;
    let left = |x: f32| x.clamp(0.0, (width - label_width).max(0.0));
    let top = |y: f32| y.clamp(0.0, (height - label_height).max(0.0));
    let places = [
        (left(x1 - edge), y1 - edge - label_height),
        (left(x2 + edge - label_width), y1 - edge - label_height),
        (left(x1 - edge), y2 + edge),
        (left(x1 + edge), y1 + edge),
        (left(x1 + edge), y2 - edge - label_height),
    ];
    let frame = |(x, y): (f32, f32)| [x, y, x + label_width, y + label_height];
    let is_free = |place: &[f32; 4]| {
        place[1] >= 0.0 && place[3] <= height && !taken.iter().any(|other| overlap(place, other))
    };
    let place = places.into_iter().map(frame).find(is_free);
    let place = place.unwrap_or_else(|| frame((left(x1), top(y1))));
    let color = color(object);
    canvas.fill_rectangle(place, pad * 0.6, color, 0.92);
    face.draw(canvas, &text, [place[0] + pad, place[1] + pad / 2.0], size, ink_on(color));
    taken.push(place);
}

fn overlap(a: &[f32; 4], b: &[f32; 4]) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

/// Lines of the skeleton, then the points.
fn key_points(canvas: &mut Canvas, points: &[KeyPoint], style: &Style, sizes: &Sizes) {
    let place = |index: usize| {
        let point = points.get(index).filter(|point| point.score >= style.key_point_score)?;
        sizes.placed(&[[point.x, point.y]]).first().copied()
    };
    for (index, [from, to]) in style.skeleton.iter().enumerate() {
        let Some((from, to)) = place(*from).zip(place(*to)) else { continue };
        canvas.line(&[from, to], false, sizes.line * 2.0, INK, 0.45);
        canvas.line(&[from, to], false, sizes.line, class_color(index), 1.0);
    }
    for index in 0..points.len() {
        let Some(point) = place(index) else { continue };
        canvas.disc(point, sizes.line * 2.2, INK);
        canvas.disc(point, sizes.line * 1.9, WHITE);
        canvas.disc(point, sizes.line * 1.4, class_color(index));
    }
}
