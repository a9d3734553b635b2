//! Tells what files are by their content, on all cores.
//!
//! `cargo run --release -p lehr --example file_type -- magika.onnx FILE_OR_FOLDER…`
//!
//! The pipeline lies in `examples/file-type`; the model is in the pip package magika 1.0.3.

use std::num::NonZero;
use std::path::Path;

use lehr::batch;
use lehr::{Model, ModelOptions, Pipeline, Predictor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, paths @ ..] = arguments.as_slice() else {
        return Err("usage: file_type magika.onnx FILE_OR_FOLDER…".into());
    };
    let pipeline = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/file-type/pipeline.toml");
    let options = ModelOptions { threads: Some(1), ..ModelOptions::default() };
    let predictor = Predictor::new(&Model::load(model)?, Pipeline::load(pipeline)?, &options)?;
    let streams = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    batch::run(&predictor, &batch::expand(paths)?, streams, |file, answer| {
        match answer {
            Ok(answered) => {
                let best = answered.answers.best_class().and_then(|class| class.label.clone());
                println!("{}: {}", file.display(), best.unwrap_or_default());
            }
            Err(error) => eprintln!("{error}"),
        }
        Ok(())
    })
    .map(|_| ())
}
