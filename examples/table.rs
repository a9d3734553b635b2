//! Classifies the rows of a table with a model whose pipeline scales and encodes the columns.
//!
//! `cargo run --release -p lehr --example table -- examples/wine/model.onnx examples/wine/wine-sample.csv`

use std::path::Path;

use lehr::pipeline::Item;
use lehr::{Model, ModelOptions, Pipeline, Predictor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, table] = arguments.as_slice() else {
        return Err("usage: table MODEL.onnx TABLE.csv".into());
    };
    let folder = Path::new(model).parent().unwrap_or(Path::new(""));
    let pipeline = Pipeline::load(folder.join("pipeline.toml"))?;
    let mut predictor = Predictor::new(&Model::load(model)?, pipeline, &ModelOptions::default())?;
    for (_, item) in predictor.predict(table.as_str())?.0 {
        let Item::List(rows) = item else { continue };
        for (index, row) in rows.iter().enumerate() {
            println!("row {}: {}", index + 1, row.to_json());
        }
    }
    Ok(())
}
