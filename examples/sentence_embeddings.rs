//! Finds the sentence that means most nearly the same as a question.
//!
//! `cargo run --release -p lehr --example sentence_embeddings -- MODEL.lehr QUESTION SENTENCE…`
//!
//! The bundle is made of a MiniLM and `examples/sentence-embedding/pipeline.toml`:
//! `lehr convert minilm.onnx -o minilm.lehr --pipeline examples/sentence-embedding/pipeline.toml`.

use lehr::pipeline::Item;
use lehr::{ModelOptions, Predictor, Source};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, question, sentences @ ..] = arguments.as_slice() else {
        return Err("usage: sentence_embeddings MODEL.lehr QUESTION SENTENCE…".into());
    };
    let mut predictor = Predictor::load(model, &ModelOptions::default())?;
    let asked = embed(&mut predictor, question)?;
    let mut found = Vec::new();
    for sentence in sentences {
        let own = embed(&mut predictor, sentence)?;
        // The vectors have length 1, so that their product is the cosine of their angle.
        let likeness: f32 = asked.iter().zip(&own).map(|(a, b)| a * b).sum();
        found.push((likeness, sentence));
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (likeness, sentence) in found {
        println!("{likeness:.4}  {sentence}");
    }
    Ok(())
}

fn embed(predictor: &mut Predictor, text: &str) -> Result<Vec<f32>, Failure> {
    let mut answers = predictor.predict(Source::text(text))?;
    match answers.0.pop() {
        Some((_, Item::Tensor(vector))) => Ok(vector.into_vec::<f32>()?),
        _ => Err("expected a vector".into()),
    }
}
