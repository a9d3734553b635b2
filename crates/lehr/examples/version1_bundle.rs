//! Made `tests/data/version1.lehr` out of `tests/data/version1.txt`, once: every later version must load that file.
//! `version1_bundle OUT.lehr`

use std::error::Error;
use std::path::Path;

use lehr::Model;
use lehr::bundle::{Contents, Provenance, Stage};
use serde_json::json;

const PIPELINE: &str = r#"schema = 1

[[input]]
name = "x"
kind = "tensor"

[[output]]
name = "scores"
steps = [{ op = "softmax" }, { op = "top_k", k = 3 }, { op = "labels", file = "labels/trees.txt" }]
"#;
const LABELS: &str = "\
ash\nbeech\ncedar\nelm\nfir\ngum\nhazel\nivy\njuniper\nkauri\nlarch\nmaple\nnut\noak\npine\nrowan\n";

fn main() -> Result<(), Box<dyn Error>> {
    let out = std::env::args_os().nth(1).ok_or("usage: version1_bundle OUT.lehr")?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/version1.txt");
    let mut provenance = Provenance::of_file(&source)?;
    provenance.stages.push(Stage::new("import", json!({"format": "text"}), json!({"nodes": 6})));
    let contents = Contents {
        pipeline: Some(PIPELINE.into()),
        files: [("labels/trees.txt".into(), LABELS.into())].into(),
        provenance,
    };
    let written = Model::load(&source)?.write_bundle(&out, &contents)?;
    println!("{} bytes, {} segments", written.bytes, written.segments.len());
    Ok(())
}
