//! The example `examples/wine`: a table, steps that are fitted to it, and a model.

use std::path::{Path, PathBuf};

use lehr::pipeline::{Folder, Item, Manifest, fit};
use lehr::{Model, ModelOptions, Pipeline, Predictor};

fn example(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/wine").join(file)
}

fn text(file: &str) -> String {
    std::fs::read_to_string(example(file)).unwrap()
}

#[test]
fn the_pipeline_is_what_fitting_the_template_gives() {
    let template = Manifest::parse(&text("template.toml")).unwrap();
    let data = Item::Bytes(text("wine-train.csv").into_bytes().into());
    let fitted = fit(template, None, data, &Folder(example(""))).unwrap();
    assert_eq!(fitted.to_text().unwrap(), text("pipeline.toml"));
}

#[test]
fn as_many_wines_are_recognised_as_where_the_model_was_made() {
    let pipeline = Pipeline::load(example("pipeline.toml")).unwrap();
    let model = Model::load(example("model.onnx")).unwrap();
    let mut predictor = Predictor::new(&model, pipeline, &ModelOptions::default()).unwrap();
    let answers = predictor.predict(example("wine-sample.csv").as_path()).unwrap();
    let Some(Item::List(rows)) = answers.get("cultivar") else { panic!("expected an answer for each row") };
    let table = text("wine-sample.csv");
    let expected: Vec<_> = table.lines().skip(1).filter_map(|line| line.rsplit(',').next()).collect();
    assert_eq!((rows.len(), expected.len()), (60, 60));
    let label = |row: &Item| match row {
        Item::Classes(classes) => classes[0].label.clone(),
        _ => None,
    };
    let right = rows.iter().zip(expected).filter(|(row, expected)| label(row).as_deref() == Some(expected));
    assert_eq!(right.count(), 59);
}
