//! Answers for people, and drawn on pictures.

use std::io::{self, Write};
use std::path::Path;

use lehr::pipeline::draw::{self, Style};
use lehr::pipeline::{Class, Image, Item, Object, Region, Series, StepError};
use lehr::{Answers, Predictor, Source};
use serde_json::json;

use super::Arguments;
use crate::atomic;
use crate::failure::Failure;

/// Classes that are shown when nothing else was asked for.
const MOST_CLASSES: usize = 5;
/// Objects, rows and numbers that are shown.
const MOST_LINES: usize = 40;

/// Answers for one source.
pub fn one(
    arguments: &Arguments,
    mut predictor: Predictor,
    source: Source,
    label: Option<&str>,
) -> Result<(), Failure> {
    predictor.session_mut().set_profiling(arguments.profile);
    let name = source.name();
    let answer = predictor.predict_with_picture(source);
    let (answers, picture) = answer.map_err(|error| Failure::Message(error.to_string()))?;
    if let Some(path) = &arguments.draw {
        draw(path, &name, picture.as_ref(), &answers)?;
    }
    let right = label.and_then(|label| lehr::batch::is_right(&answers, label));
    let mut out = io::stdout().lock();
    if arguments.json.json {
        let mut json = json!({"input": name, "answers": answers.to_json()});
        if let Some(right) = right {
            json["right"] = json!(right);
        }
        writeln!(out, "{json}")?;
        return Ok(out.flush()?);
    }
    write!(out, "{}", text(&answers, arguments.top_k.unwrap_or(MOST_CLASSES)))?;
    if let (Some(label), Some(right)) = (label, right) {
        writeln!(out, "label: {label} ({})", if right { "right" } else { "wrong" })?;
    }
    if arguments.profile {
        write!(out, "\n{}", predictor.session_mut().profile())?;
    }
    Ok(out.flush()?)
}

/// Draws answers on a picture and writes it as a PNG file.
pub fn draw(path: &Path, name: &str, picture: Option<&Image>, answers: &Answers) -> Result<(), Failure> {
    let Some(picture) = picture else {
        return Err(Failure::Message(format!("'{name}' is no picture, there is nothing to draw on")));
    };
    let failed = |error: StepError| Failure::file(path, "drawn", error);
    let drawn = draw::draw(picture, answers, &Style::default()).map_err(failed)?;
    atomic::write_bytes(path, &draw::png(&drawn).map_err(failed)?)
}

/// All answers in lines.
pub fn text(answers: &Answers, classes: usize) -> String {
    let lines = answers.0.iter().map(|(name, item)| {
        let text = item_text(item, classes);
        let separator = if text.contains('\n') { "\n" } else { " " };
        format!("{name}:{separator}{text}\n")
    });
    lines.collect()
}

/// The most important of an answer in one line.
pub fn summary(answers: &Answers) -> String {
    let parts = answers.0.iter().map(|(_, item)| match item {
        Item::Classes(classes) => classes.first().map_or_else(|| "no class".to_owned(), class_text),
        Item::Objects(objects) => format!("{} objects", objects.len()),
        Item::List(items) => format!("{} answers", items.len()),
        other => item_text(other, 1).lines().next().unwrap_or_default().to_owned(),
    });
    parts.collect::<Vec<_>>().join("; ")
}

fn item_text(item: &Item, classes: usize) -> String {
    match item {
        Item::Classes(found) => found.iter().take(classes).map(class_text).collect::<Vec<_>>().join(", "),
        Item::Objects(objects) => lines(objects.iter().map(object_text)),
        Item::Transcript(transcript) => format!("{} ({:.4})", transcript.text, transcript.score),
        Item::Segments(segments) => {
            let label =
                |label: &Option<String>| label.as_ref().map_or_else(String::new, |text| format!(" {text}"));
            lines(segments.iter().map(|s| format!("{:.2} s to {:.2} s{}", s.start, s.end, label(&s.label))))
        }
        Item::Mask(mask) => format!("a mask of {}×{} pixels", mask.width, mask.height),
        Item::HeatMap(map) => format!("a heat map of {}×{} pixels", map.width, map.height),
        Item::Series(Series::Numbers(numbers)) => numbers_text(numbers),
        Item::Series(Series::Texts(texts)) => {
            lines(texts.iter().map(|text| text.clone().unwrap_or_default()))
        }
        Item::Text(text) => text.first.clone(),
        Item::Tensor(tensor) => match tensor.to_f64s() {
            Ok(numbers) => format!("{}{:?} {}", tensor.dtype(), tensor.shape(), numbers_text(&numbers)),
            Err(_) => format!("{}{:?}", tensor.dtype(), tensor.shape()),
        },
        Item::List(items) => lines(items.iter().map(|item| item_text(item, classes))),
        other => other.to_json().to_string(),
    }
}

fn class_text(class: &Class) -> String {
    match &class.label {
        Some(label) => format!("{label} ({:.4})", class.score),
        None => format!("{} ({:.4})", class.index, class.score),
    }
}

fn object_text(object: &Object) -> String {
    let place = match &object.region {
        Region::Box { x1, y1, x2, y2 } => format!("[{x1:.0}, {y1:.0}, {x2:.0}, {y2:.0}]"),
        Region::Polygon(points) => {
            points.iter().map(|[x, y]| format!("({x:.0}, {y:.0})")).collect::<Vec<_>>().join(" ")
        }
    };
    let name =
        object.class.as_ref().map(|class| class.label.clone().unwrap_or_else(|| class.index.to_string()));
    let words = [object.text.clone(), name, Some(place)];
    format!("{} ({:.4})", words.into_iter().flatten().collect::<Vec<_>>().join(" "), object.score)
}

fn numbers_text(numbers: &[f64]) -> String {
    let shown: Vec<_> = numbers.iter().take(8).map(|number| format!("{number:.4}")).collect();
    let more = if numbers.len() > shown.len() { ", …" } else { "" };
    format!("[{}{more}]", shown.join(", "))
}

fn lines(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(MOST_LINES);
    let mut lines: Vec<_> = all.take(MOST_LINES).map(|line| format!("  {line}")).collect();
    if more > 0 {
        lines.push(format!("  … {more} more"));
    }
    match lines.len() {
        0 => "nothing".to_owned(),
        _ => lines.join("\n"),
    }
}
