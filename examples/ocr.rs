//! Reads a picture with the three models of PP-OCR: where lines are, which way up they stand, what they say.
//!
//! `cargo run --release -p lehr --example ocr -- DETECT.onnx ORIENTATION.onnx RECOGNIZE.onnx PICTURE…`
//!
//! The pipelines lie in `examples/ocr` and `examples/text-orientation`; the models are in the pip package
//! rapidocr-onnxruntime 1.4.4.

use std::path::Path;

use lehr::pipeline::steps::image::quadrilateral;
use lehr::pipeline::steps::image::rotate::{Turns, rotated};
use lehr::pipeline::{Class, Image, Item, Object, Region};
use lehr::{Model, ModelOptions, Pipeline, Predictor};

type Failure = Box<dyn std::error::Error>;

/// A line is turned only when the classifier is this sure.
const SURE: f32 = 0.9;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [detect, orientation, recognize, pictures @ ..] = arguments.as_slice() else {
        return Err("usage: ocr DETECT.onnx ORIENTATION.onnx RECOGNIZE.onnx PICTURE…".into());
    };
    let mut reader = Reader {
        detect: load(detect, "ocr/detect.toml")?,
        orientation: load(orientation, "text-orientation/pipeline.toml")?,
        recognize: load(recognize, "ocr/recognize.toml")?,
    };
    reader.detect.set_keep_pictures(true);
    for picture in pictures {
        for (text, score) in reader.read(picture)? {
            println!("{picture}\t{score:.4}\t{text}");
        }
    }
    Ok(())
}

fn load(model: &str, pipeline: &str) -> Result<Predictor, Failure> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let pipeline = Pipeline::load(examples.join(pipeline))?;
    Ok(Predictor::new(&Model::load(model)?, pipeline, &ModelOptions::default())?)
}

struct Reader {
    detect: Predictor,
    orientation: Predictor,
    recognize: Predictor,
}

impl Reader {
    /// The lines of a picture in the order of reading, each with how sure the recogniser is.
    fn read(&mut self, picture: &str) -> Result<Vec<(String, f32)>, Failure> {
        let (answers, picture) = self.detect.predict_with_picture(picture)?;
        let picture = picture.ok_or("expected a picture")?;
        let Some(Item::Objects(lines)) = answers.get("lines") else { return Ok(Vec::new()) };
        lines.iter().map(|line| self.read_line(&picture, line)).collect()
    }

    fn read_line(&mut self, picture: &Image, line: &Object) -> Result<(String, f32), Failure> {
        let Region::Polygon(corners) = &line.region else { return Err("expected four corners".into()) };
        let corners: [[f32; 2]; 4] = corners.as_slice().try_into()?;
        let mut crop = quadrilateral::cut(picture, corners)?;
        // Text that runs from top to bottom.
        if crop.height() as f32 >= 1.5 * crop.width() as f32 {
            crop = rotated(crop, Turns::Quarter)?;
        }
        let direction = self.orientation.predict(Item::Image(crop.clone()))?;
        if matches!(direction.best_class(), Some(Class { index: 1, score, .. }) if *score > SURE) {
            crop = rotated(crop, Turns::Half)?;
        }
        match self.recognize.predict(Item::Image(crop))?.get("text") {
            Some(Item::Transcript(found)) => Ok((found.text.clone(), found.score)),
            _ => Err("expected text".into()),
        }
    }
}
