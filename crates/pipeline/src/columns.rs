//! Answers as one line of a table, for whoever goes through many sources.

use serde_json::Value;

use crate::{Answers, Class, HeatMap, Item, Mask, Object, Segment, Series};

impl Answers {
    /// Names of columns and their cells. The columns of a pipeline are the same for every source, as long as rows have
    /// the same numbers; numbers that are not finite are empty.
    ///
    /// | answer | columns, behind the answer's name |
    /// |---|---|
    /// | classes | the best one's name (its index where it has none), `.index`, `.score` |
    /// | objects | `.count`, `.best` (name or index), `.score` of the best, `.json` |
    /// | recognised text | the text, `.score` |
    /// | segments | `.count`, `.seconds` (of all together), `.json` |
    /// | mask | `.foreground` (the part of all pixels) |
    /// | heat map | `.min`, `.mean`, `.max` |
    /// | numbers | the only one, or `.0`, `.1` …; with names `.name` |
    /// | anything else | its JSON |
    pub fn to_columns(&self) -> Vec<(String, String)> {
        let mut columns = Columns(Vec::new());
        for (name, item) in &self.0 {
            columns.item(name, item);
        }
        columns.0
    }
}

/// Cells as one line of a CSV file without its end: cells with commas, quotes or line breaks are quoted (RFC 4180).
pub fn csv_line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let quoted = cells.into_iter().map(|cell| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    });
    quoted.collect::<Vec<_>>().join(",")
}

struct Columns(Vec<(String, String)>);

impl Columns {
    fn add(&mut self, name: &str, ending: &str, cell: impl ToString) {
        self.0.push((format!("{name}{ending}"), cell.to_string()));
    }

    fn number(&mut self, name: &str, ending: &str, value: f64) {
        let cell = if value.is_finite() { value.to_string() } else { String::new() };
        self.add(name, ending, cell);
    }

    fn score(&mut self, name: &str, ending: &str, score: Option<f32>) {
        let cell =
            score.filter(|score| score.is_finite()).map_or_else(String::new, |score| score.to_string());
        self.add(name, ending, cell);
    }

    fn item(&mut self, name: &str, item: &Item) {
        match item {
            Item::Text(text) => self.add(name, "", &text.first),
            Item::Classes(classes) => self.classes(name, classes),
            Item::Objects(objects) => self.objects(name, objects, item),
            Item::Transcript(transcript) => {
                self.add(name, "", &transcript.text);
                self.score(name, ".score", Some(transcript.score));
            }
            Item::Segments(segments) => self.segments(name, segments, item),
            Item::Mask(mask) => self.mask(name, mask),
            Item::HeatMap(map) => self.heat_map(name, map),
            Item::Series(Series::Numbers(numbers)) => self.numbers(name, numbers),
            Item::Json(Value::Object(fields)) => {
                for (field, value) in fields {
                    self.json(name, &format!(".{field}"), value);
                }
            }
            _ => self.json(name, "", &item.to_json()),
        }
    }

    fn classes(&mut self, name: &str, classes: &[Class]) {
        let best = classes.first();
        self.add(name, "", best.map_or_else(String::new, called));
        self.add(name, ".index", best.map_or_else(String::new, |class| class.index.to_string()));
        self.score(name, ".score", best.map(|class| class.score));
    }

    fn objects(&mut self, name: &str, objects: &[Object], item: &Item) {
        let best = objects.iter().max_by(|a, b| a.score.total_cmp(&b.score));
        let class = best.and_then(|object| object.class.as_ref());
        self.add(name, ".count", objects.len());
        self.add(name, ".best", class.map_or_else(String::new, called));
        self.score(name, ".score", best.map(|object| object.score));
        self.json(name, ".json", &item.to_json());
    }

    fn segments(&mut self, name: &str, segments: &[Segment], item: &Item) {
        self.add(name, ".count", segments.len());
        self.number(name, ".seconds", segments.iter().map(|segment| segment.end - segment.start).sum());
        self.json(name, ".json", &item.to_json());
    }

    fn mask(&mut self, name: &str, mask: &Mask) {
        let foreground = mask.classes.iter().filter(|class| **class != 0).count();
        self.number(name, ".foreground", foreground as f64 / mask.classes.len() as f64);
    }

    fn heat_map(&mut self, name: &str, map: &HeatMap) {
        let sum: f64 = map.values.iter().copied().map(f64::from).sum();
        self.score(name, ".min", map.values.iter().copied().reduce(f32::min));
        self.number(name, ".mean", sum / map.values.len() as f64);
        self.score(name, ".max", map.values.iter().copied().reduce(f32::max));
    }

    fn numbers(&mut self, name: &str, numbers: &[f64]) {
        if let [only] = numbers {
            return self.number(name, "", *only);
        }
        for (index, number) in numbers.iter().enumerate() {
            self.number(name, &format!(".{index}"), *number);
        }
    }

    fn json(&mut self, name: &str, ending: &str, value: &Value) {
        match value {
            Value::Null => self.add(name, ending, ""),
            Value::String(text) => self.add(name, ending, text),
            value => self.add(name, ending, value),
        }
    }
}

fn called(class: &Class) -> String {
    class.label.clone().unwrap_or_else(|| class.index.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Region, Transcript};

    fn line(answers: &[(&str, Item)]) -> String {
        let answers = answers.iter().map(|(name, item)| (name.to_string(), item.clone())).collect();
        let columns = Answers(answers).to_columns();
        let cells = |pick: fn(&(String, String)) -> &str| csv_line(columns.iter().map(pick));
        format!("{}\n{}", cells(|column| &column.0), cells(|column| &column.1))
    }

    #[test]
    fn every_answer_has_its_columns_even_when_there_is_nothing() {
        let class = Class { index: 4, score: 0.9, label: Some("cat, \"tabby\"".to_owned()) };
        let region = Region::Box { x1: 0.0, y1: 0.0, x2: 1.0, y2: 1.0 };
        let object = Object { class: Some(class.clone()), ..Object::new(region, f32::NAN) };
        assert_eq!(
            line(&[("a", Item::Classes(vec![class])), ("b", Item::Classes(Vec::new()))]),
            "a,a.index,a.score,b,b.index,b.score\n\"cat, \"\"tabby\"\"\",4,0.9,,,"
        );
        assert_eq!(line(&[("c", Item::Objects(Vec::new()))]), "c.count,c.best,c.score,c.json\n0,,,[]");
        assert!(line(&[("c", Item::Objects(vec![object]))]).contains("\n1,\"cat, \"\"tabby\"\"\",,\"[{"));
    }

    #[test]
    fn texts_numbers_and_maps_are_flat() {
        let transcript = Transcript { text: "two\nlines".to_owned(), score: 0.5 };
        let answers = [
            ("t", Item::Transcript(transcript)),
            ("n", Item::Series(Series::Numbers(vec![1.5]))),
            ("m", Item::Series(Series::Numbers(vec![1.0, f64::NAN]))),
            ("j", Item::Json(json!({"x": 1, "y": null, "z": "w"}))),
            ("k", Item::Mask(Mask { width: 2, height: 1, classes: vec![0, 7] })),
            ("h", Item::HeatMap(HeatMap { width: 2, height: 1, values: vec![0.25, 0.75] })),
        ];
        assert_eq!(
            line(&answers),
            "t,t.score,n,m.0,m.1,j.x,j.y,j.z,k.foreground,h.min,h.mean,h.max\n\
             \"two\nlines\",0.5,1.5,1,,1,,w,0.5,0.25,0.5,0.75"
        );
    }
}
