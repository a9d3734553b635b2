//! The strip below the picture: classes as bars, text, numbers, and what the colours mean.

use std::collections::BTreeMap;

use super::canvas::Canvas;
use super::maps::{mask_color, scale};
use super::palette::{ACCENT, INK, Rgb, TRACK, heat_color, mixed};
use super::typeface::Typeface;
use super::{Sizes, Style};
use crate::{Answers, Class, HeatMap, Item, Mask, Series};

/// The most rows of a strip.
const MAX_ROWS: usize = 60;

/// Rows of a strip, laid out for a width.
#[derive(Debug)]
pub struct Strip {
    rows: Vec<Row>,
    size: f32,
}

#[derive(Debug)]
enum Row {
    /// The name of an answer.
    Title(String),
    /// A class, how full its bar is, and its score in words.
    Bar { label: String, part: f32, score: String },
    /// Plain text.
    Line(String),
    /// What a colour stands for.
    Swatch { color: Rgb, meaning: String },
    /// What the ends of the heat map's colours stand for.
    Scale { low: String, high: String },
}

impl Strip {
    /// What is to be said below a picture of this width.
    pub fn new(answers: &Answers, style: &Style, sizes: &Sizes, width: usize, face: &Typeface) -> Self {
        let mut strip = Self { rows: Vec::new(), size: sizes.text };
        let room = width as f32 - 2.0 * strip.margin();
        for (name, item) in &answers.0 {
            let title = strip.rows.len();
            strip.item(item, style, room, face);
            if answers.0.len() > 1 && strip.rows.len() > title {
                strip.rows.insert(title, Row::Title(name.clone()));
            }
        }
        strip.rows.truncate(MAX_ROWS);
        strip
    }

    /// In whole pixels; 0 when there is nothing to say.
    pub fn height(&self) -> usize {
        match self.rows.len() {
            0 => 0,
            rows => (rows as f32 * self.pitch() + 2.0 * self.margin()).ceil() as usize,
        }
    }

    /// Draws the rows from `top` on.
    pub fn draw(&self, canvas: &mut Canvas, top: usize, face: &Typeface) {
        let labels = self.label_width(canvas.width() as f32, face);
        for (index, row) in self.rows.iter().enumerate() {
            let y = top as f32 + self.margin() + index as f32 * self.pitch();
            self.row(canvas, row, y, labels, face);
        }
    }

    fn margin(&self) -> f32 {
        self.size * 0.6
    }

    fn pitch(&self) -> f32 {
        self.size * 1.4
    }

    fn item(&mut self, item: &Item, style: &Style, room: f32, face: &Typeface) {
        match item {
            Item::Classes(classes) => self.bars(classes, style),
            Item::Transcript(transcript) => {
                self.lines(&format!("{} ({:.2})", transcript.text, transcript.score), room, face);
            }
            Item::Text(text) => self.lines(&text.first, room, face),
            Item::Mask(mask) => self.legend(mask),
            Item::HeatMap(map) => self.scale(map),
            Item::Series(Series::Numbers(numbers)) => {
                let numbers: Vec<_> = numbers.iter().map(|number| format!("{number:.4}")).collect();
                self.lines(&numbers.join(" "), room, face);
            }
            Item::Json(value) => self.lines(&value.to_string(), room, face),
            Item::List(items) => items.iter().for_each(|item| self.item(item, style, room, face)),
            _ => {}
        }
    }

    fn lines(&mut self, text: &str, room: f32, face: &Typeface) {
        // More than this never fits.
        let text: String = text.chars().take(10_000).collect();
        self.rows.extend(face.wrapped(&text, self.size, room).into_iter().map(Row::Line));
    }

    fn bars(&mut self, classes: &[Class], style: &Style) {
        let are_parts = classes.iter().all(|class| (0.0..=1.0).contains(&class.score));
        let largest = classes.iter().map(|class| class.score).fold(f32::MIN_POSITIVE, f32::max);
        for class in classes.iter().take(style.max_classes) {
            let label = class.label.clone().unwrap_or_else(|| format!("class {}", class.index));
            let (part, score) = match are_parts {
                true => (class.score, format!("{:.1} %", class.score * 100.0)),
                false => (class.score / largest, format!("{:.2}", class.score)),
            };
            self.rows.push(Row::Bar { label, part, score });
        }
    }

    fn legend(&mut self, mask: &Mask) {
        let mut counts = BTreeMap::<u16, usize>::new();
        mask.classes.iter().for_each(|class| *counts.entry(*class).or_default() += 1);
        for (class, count) in counts.into_iter().filter(|(class, _)| *class != 0) {
            let part = count as f32 / mask.classes.len() as f32 * 100.0;
            self.rows.push(Row::Swatch {
                color: mask_color(class),
                meaning: format!("class {class}: {part:.1} %"),
            });
        }
    }

    fn scale(&mut self, map: &HeatMap) {
        let (low, high) = scale(map);
        let words =
            |number: f32| if number.fract() == 0.0 { format!("{number}") } else { format!("{number:.3}") };
        self.rows.push(Row::Scale { low: words(low), high: words(high) });
    }

    /// What the names of classes take, at most half of the width.
    fn label_width(&self, width: f32, face: &Typeface) -> f32 {
        let widths = self.rows.iter().map(|row| match row {
            Row::Bar { label, .. } => face.width(label, self.size),
            _ => 0.0,
        });
        widths.fold(0.0, f32::max).min(width * 0.5)
    }

    fn row(&self, canvas: &mut Canvas, row: &Row, y: f32, labels: f32, face: &Typeface) {
        let (size, left) = (self.size, self.margin());
        let right = canvas.width() as f32 - left;
        match row {
            Row::Title(name) => {
                let name = face.fitted(name, size, right - left);
                face.draw(canvas, &name, [left, y], size, mixed(INK, TRACK, 0.45));
            }
            Row::Line(text) => face.draw(canvas, text, [left, y], size, INK),
            Row::Swatch { color, meaning } => {
                canvas.fill_rectangle(
                    [left, y + size * 0.1, left + size * 0.8, y + size * 0.9],
                    2.0,
                    *color,
                    1.0,
                );
                face.draw(canvas, meaning, [left + size * 1.2, y], size, INK);
            }
            Row::Bar { label, part, score } => {
                let label = face.fitted(label, size, labels);
                face.draw(canvas, &label, [left, y], size, INK);
                let score_width = face.width("100.0 %", size).max(face.width(score, size));
                let (from, to) = (left + labels + size * 0.6, right - score_width - size * 0.6);
                let bar = |end: f32| [from, y + size * 0.15, end, y + size * 0.85];
                canvas.fill_rectangle(bar(to), size * 0.2, TRACK, 1.0);
                let part = if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 };
                canvas.fill_rectangle(bar(from + (to - from) * part), size * 0.2, ACCENT, 1.0);
                face.draw(canvas, score, [right - face.width(score, size), y], size, INK);
            }
            Row::Scale { low, high } => {
                face.draw(canvas, low, [left, y], size, INK);
                let from = left + face.width(low, size) + size * 0.6;
                let to = (right - face.width(high, size) - size * 0.6).min(from + size * 12.0);
                for x in from as usize..to.max(from) as usize {
                    let color = heat_color((x as f32 - from) / (to - from));
                    let (top, bottom) = (y + size * 0.15, y + size * 0.85);
                    (top as usize..bottom as usize).for_each(|y| canvas.blend(x, y, color, 1.0));
                }
                face.draw(canvas, high, [to + size * 0.6, y], size, INK);
            }
        }
    }
}
