//! Classifies pictures with a bundle that `lehr deploy` or `lehr convert --pipeline` made.
//!
//! `cargo run --release -p lehr --example image_classifier -- MODEL.lehr PICTURE…`

use lehr::pipeline::Item;
use lehr::{ModelOptions, Predictor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, pictures @ ..] = arguments.as_slice() else {
        return Err("usage: image_classifier MODEL.lehr PICTURE…".into());
    };
    let mut predictor = Predictor::load(model, &ModelOptions::default())?;
    for picture in pictures {
        let answers = predictor.predict(picture.as_str())?;
        for (name, item) in &answers.0 {
            let Item::Classes(classes) = item else { continue };
            let best = classes.iter().map(|class| match &class.label {
                Some(label) => format!("{label} {:.1} %", 100.0 * class.score),
                None => format!("class {} {:.1} %", class.index, 100.0 * class.score),
            });
            println!("{picture}: {name}: {}", best.collect::<Vec<_>>().join(", "));
        }
    }
    Ok(())
}
