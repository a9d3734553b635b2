//! What a model says, of every kind, as lists, bars, time lines and pictures.

use lehr_pipeline::{Answers, Class, HeatMap, Image, Item, Mask, Object, Segment, Series, Table, Transcript};
use lehr_tensor::Tensor;
use maud::{Markup, html};

use super::chart::bar;
use super::figures::{attribute, milliseconds, name, percent, plural, shortened, value};
use super::{overlay, picture};

/// The most classes, objects, columns … of one answer.
const MAX_ROWS: usize = 5;
/// The most characters of a text.
const MAX_TEXT: usize = 400;
/// Lists in lists are followed so far.
const MAX_DEPTH: usize = 3;
/// Width and height of pictures that are answers.
const LONGEST: u32 = 480;

/// All answers; those that lie on the picture of the example already are only counted.
pub fn answers(answers: &Answers, on_picture: bool) -> Markup {
    html! {
        @for (title, item) in &answers.0 {
            div.answer {
                @if answers.0.len() > 1 { h4 { (name(title)) } }
                (answer(item, on_picture, 0))
            }
        }
    }
}

fn answer(item: &Item, on_picture: bool, depth: usize) -> Markup {
    match item {
        Item::Classes(list) => classes(list),
        Item::Objects(list) => objects(list),
        Item::Transcript(spoken) => transcript(spoken),
        Item::Segments(list) => time_line(list),
        Item::Mask(areas) => mask(areas, on_picture),
        Item::HeatMap(map) => heat_map(map, on_picture),
        Item::Series(values) => series(values),
        Item::Text(text) => {
            html! { blockquote { (shortened(&text.first, MAX_TEXT)) @if let Some(second) = &text.second { br; (shortened(second, MAX_TEXT)) } } }
        }
        Item::Json(json) => html! { pre { (shortened(&format!("{json:#}"), MAX_TEXT)) } },
        Item::Tensor(values) => tensor(values),
        Item::Tensors(list) => {
            html! { @for (title, values) in list.iter().take(MAX_ROWS) { p { (name(title)) " " (tensor(values)) } } (more(list.len())) }
        }
        Item::Table(values) => table(values),
        Item::List(items) => list(items, depth),
        Item::Image(image) => drawn(image),
        Item::Audio(audio) => {
            let samples = audio.channels().first().map_or(0, Vec::len);
            let length = 1e3 * samples as f64 / f64::from(audio.rate().max(1));
            html! { p { "a recording of " (milliseconds(length)) " at " (audio.rate()) " Hz" } }
        }
        Item::Bytes(bytes) => html! { p { (plural(bytes.len(), "byte", "bytes")) } },
    }
}

fn more(all: usize) -> Markup {
    html! { @if all > MAX_ROWS { p.note { "and " (plural(all - MAX_ROWS, "other", "others")) } } }
}

/// Probabilities as shares, other scores against the greatest.
fn classes(classes: &[Class]) -> Markup {
    let is_probability = classes.iter().all(|class| (0.0..=1.0).contains(&class.score));
    let greatest = classes.iter().map(|class| class.score.abs()).fold(f32::MIN_POSITIVE, f32::max);
    html! {
        ol.classes {
            @for class in classes.iter().take(MAX_ROWS) {
                @let share = if is_probability { class.score } else { class.score.max(0.0) / greatest };
                li {
                    span.what { (name(&class_name(class))) }
                    span.figure { (score(class.score, is_probability)) }
                    (bar(f64::from(share), "glow"))
                }
            }
        }
        (more(classes.len()))
    }
}

/// Its label, else its number.
pub fn class_name(class: &Class) -> String {
    class.label.clone().unwrap_or_else(|| format!("class {}", class.index))
}

fn score(score: f32, is_probability: bool) -> String {
    if is_probability { percent(f64::from(score)) } else { value(f64::from(score)) }
}

fn objects(objects: &[Object]) -> Markup {
    html! {
        @if objects.is_empty() { p.note { "nothing was found" } }
        ol.classes {
            @for (index, object) in objects.iter().take(MAX_ROWS).enumerate() {
                li {
                    span.what { i class={ "dot o" (index % 8) } {} (name(&overlay::name(object).unwrap_or_else(|| "object".to_owned()))) }
                    span.figure { (score(object.score, (0.0..=1.0).contains(&object.score))) }
                    (bar(f64::from(object.score), "glow"))
                }
            }
        }
        (more(objects.len()))
    }
}

fn transcript(transcript: &Transcript) -> Markup {
    html! {
        blockquote { (shortened(&transcript.text, MAX_TEXT)) }
        p.note { "mean probability of its characters " (percent(f64::from(transcript.score))) }
    }
}

/// Stretches of time on a line from 0 to the end of the last.
fn time_line(segments: &[Segment]) -> Markup {
    let finite = segments.iter().filter(|segment| segment.start.is_finite() && segment.end.is_finite());
    let segments: Vec<&Segment> = finite.collect();
    let end = segments.iter().map(|segment| segment.end).fold(0.0, f64::max);
    let mut labels: Vec<Option<&str>> = Vec::new();
    for segment in &segments {
        if !labels.contains(&segment.label.as_deref()) {
            labels.push(segment.label.as_deref());
        }
    }
    let color = |segment: &Segment| {
        labels.iter().position(|label| *label == segment.label.as_deref()).unwrap_or(0) % 8
    };
    let place =
        |seconds: f64| attribute(if end > 0.0 { (100.0 * seconds / end).clamp(0.0, 100.0) } else { 0.0 });
    html! {
        @if segments.is_empty() { p.note { "no segments" } }
        @else {
            div.line aria-hidden="true" {
                @for segment in &segments {
                    i class={ "o" (color(segment)) } title=(segment_text(segment))
                        style={ "left:" (place(segment.start)) "%;width:" (place(segment.end - segment.start)) "%" } {}
                }
            }
            p.axis { span { "0" } span { (milliseconds(end * 1e3)) } }
            ol.segments {
                @for segment in segments.iter().take(MAX_ROWS) {
                    li { i class={ "dot o" (color(segment)) } {} (name(&segment_text(segment))) }
                }
            }
            (more(segments.len()))
        }
    }
}

fn segment_text(segment: &Segment) -> String {
    let mut text = format!("{:.2} – {:.2} s", segment.start, segment.end);
    if let Some(label) = &segment.label {
        text += &format!("  {}", shortened(label, 80));
    }
    if let Some(score) = segment.score {
        text += &format!("  {}", percent(f64::from(score)));
    }
    text
}

fn mask(mask: &Mask, on_picture: bool) -> Markup {
    let mut areas = std::collections::BTreeMap::<u16, usize>::new();
    mask.classes.iter().for_each(|class| *areas.entry(*class).or_default() += 1);
    let mut areas: Vec<(u16, usize)> = areas.into_iter().collect();
    areas.sort_by_key(|(class, pixels)| (std::cmp::Reverse(*pixels), *class));
    html! {
        @if !on_picture { (embedded(picture::of_mask(mask, LONGEST), "the mask")) }
        ol.classes {
            @for (class, pixels) in areas.iter().take(MAX_ROWS) {
                @let share = *pixels as f64 / mask.classes.len() as f64;
                li {
                    span.what {
                        @if *class == 0 { "background" } @else { i class={ "dot o" (class % 8) } {} "class " (class) }
                    }
                    span.figure { (percent(share)) }
                    (bar(share, "glow"))
                }
            }
        }
        (more(areas.len()))
    }
}

fn heat_map(map: &HeatMap, on_picture: bool) -> Markup {
    let (low, high) = picture::range(&map.values);
    html! {
        @if !on_picture { (embedded(picture::of_heat_map(map, LONGEST), "the heat map")) }
        p.glow-scale { span { (value(f64::from(low))) } i {} span { (value(f64::from(high))) } }
    }
}

fn embedded(uri: Option<String>, alt: &str) -> Markup {
    html! { @if let Some(uri) = uri { img.picture src=(uri) alt=(alt); } }
}

fn drawn(image: &Image) -> Markup {
    embedded(picture::of_image(image, LONGEST), "the answer as a picture")
}

fn series(series: &Series) -> Markup {
    let texts: Vec<String> = match series {
        Series::Numbers(numbers) => numbers.iter().take(24).map(|number| value(*number)).collect(),
        Series::Texts(texts) => {
            let text = |text: &Option<String>| text.as_deref().map_or("–".to_owned(), |t| shortened(t, 80));
            texts.iter().take(24).map(text).collect()
        }
    };
    let all = match series {
        Series::Numbers(numbers) => numbers.len(),
        Series::Texts(texts) => texts.len(),
    };
    html! {
        p.numbers { @for text in &texts { span.name { (text) } " " } @if all > texts.len() { "… (" (all) ")" } }
    }
}

fn tensor(tensor: &Tensor) -> Markup {
    let numbers = tensor.to_f64s().unwrap_or_default();
    let sizes: Vec<String> = tensor.shape().iter().map(ToString::to_string).collect();
    html! {
        span.soft { (tensor.dtype().name()) " " (if sizes.is_empty() { "scalar".to_owned() } else { sizes.join("×") }) }
        " "
        span.numbers {
            @for number in numbers.iter().take(8) { (value(*number)) " " }
            @if numbers.len() > 8 { "…" }
        }
    }
}

fn table(table: &Table) -> Markup {
    let cell = |values: &Series, row: usize| match values {
        Series::Numbers(numbers) => numbers.get(row).map(|number| value(*number)),
        Series::Texts(texts) => texts.get(row).cloned().flatten().map(|text| shortened(&text, 60)),
    };
    html! {
        div.scroll { table.list {
            thead { tr { @for (title, _) in &table.columns { th { (name(title)) } } } }
            tbody {
                @for row in 0..table.rows.min(MAX_ROWS) {
                    tr { @for (_, values) in &table.columns { td { (cell(values, row).unwrap_or_else(|| "–".to_owned())) } } }
                }
            }
        } }
        (more(table.rows))
    }
}

fn list(items: &[Item], depth: usize) -> Markup {
    html! {
        @if depth == MAX_DEPTH { p.note { (plural(items.len(), "answer", "answers")) } }
        @else {
            ol.rows { @for item in items.iter().take(MAX_ROWS) { li { (answer(item, false, depth + 1)) } } }
            (more(items.len()))
        }
    }
}
