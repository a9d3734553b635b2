//! What a pipeline says in the end.

use serde_json::{Map, Value, json};

use crate::decimal::widened;
use crate::{Class, HeatMap, Item, Mask, Object, Region, Series};

/// Answers by the names of the outputs, in their order.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Answers(pub Vec<(String, Item)>);

impl Answers {
    /// The answer of that name.
    pub fn get(&self, name: &str) -> Option<&Item> {
        self.0.iter().find(|(answer, _)| answer == name).map(|(_, item)| item)
    }

    /// The best class of the first answer that has one.
    pub fn best_class(&self) -> Option<&Class> {
        self.0.iter().find_map(|(_, item)| match item {
            Item::Classes(classes) => classes.first(),
            _ => None,
        })
    }

    /// All answers as JSON.
    pub fn to_json(&self) -> Value {
        Value::Object(self.0.iter().map(|(name, item)| (name.clone(), item.to_json())).collect())
    }
}

impl Item {
    /// As JSON: numbers that JSON does not know (NaN, infinities) become `null`.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Bytes(bytes) => json!({"bytes": bytes.len()}),
            Self::Image(image) => json!({"width": image.width(), "height": image.height()}),
            Self::Audio(audio) => json!({"rate": audio.rate(), "channels": audio.channels().len()}),
            Self::Text(text) => json!({"text": text.first, "second": text.second}),
            Self::Table(table) => {
                let columns = table.columns.iter().map(|(name, values)| (name.clone(), series(values)));
                Value::Object(columns.collect())
            }
            Self::Tensor(tensor) => tensor_json(tensor),
            Self::Tensors(tensors) => Value::Object(
                tensors.iter().map(|(name, tensor)| (name.clone(), tensor_json(tensor))).collect(),
            ),
            Self::Classes(classes) => json!(classes),
            Self::Objects(objects) => objects.iter().map(object).collect(),
            Self::Transcript(transcript) => json!(transcript),
            Self::Segments(segments) => json!(segments),
            Self::Mask(mask) => mask_json(mask),
            Self::HeatMap(map) => heat_map(map),
            Self::Series(values) => series(values),
            Self::Json(value) => value.clone(),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
        }
    }
}

fn tensor_json(tensor: &lehr_tensor::Tensor) -> Value {
    let values = match (tensor.strings(), tensor.to_i64s(), tensor.as_slice::<f32>(), tensor.to_f64s()) {
        (Ok(strings), ..) => json!(strings),
        (_, Ok(integers), ..) => json!(integers),
        (_, _, Ok(numbers), _) => numbers.iter().map(|number| json!(widened(*number))).collect(),
        (.., Ok(numbers)) => json!(numbers),
        _ => Value::Null,
    };
    json!({"dtype": tensor.dtype().to_string(), "shape": tensor.shape(), "values": values})
}

fn series(values: &Series) -> Value {
    match values {
        Series::Numbers(numbers) => json!(numbers),
        Series::Texts(texts) => json!(texts),
    }
}

fn object(object: &Object) -> Value {
    let mut json = Map::new();
    match &object.region {
        Region::Box { x1, y1, x2, y2 } => {
            json.insert("box".to_owned(), json!([x1, y1, x2, y2].map(|edge| widened(*edge))))
        }
        Region::Polygon(points) => {
            json.insert("polygon".to_owned(), points.iter().map(|point| json!(point.map(widened))).collect())
        }
    };
    json.insert("score".to_owned(), json!(widened(object.score)));
    if let Some(class) = &object.class {
        json.insert("class".to_owned(), json!(class));
    }
    if !object.key_points.is_empty() {
        json.insert("key_points".to_owned(), json!(object.key_points));
    }
    if let Some(mask) = &object.mask {
        json.insert("mask".to_owned(), mask_json(mask));
    }
    if let Some(text) = &object.text {
        json.insert("text".to_owned(), json!(text));
    }
    Value::Object(json)
}

/// Runs of equal classes, `[class, length]`, row by row.
fn mask_json(mask: &Mask) -> Value {
    let runs: Vec<_> =
        mask.classes.chunk_by(|a, b| a == b).map(|run| json!([run.first(), run.len()])).collect();
    json!({"width": mask.width, "height": mask.height, "runs": runs})
}

fn heat_map(map: &HeatMap) -> Value {
    let values: Vec<f64> = map.values.iter().copied().map(widened).collect();
    json!({"width": map.width, "height": map.height, "values": values})
}
