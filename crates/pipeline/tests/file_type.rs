//! The ends of files as numbers, and the whole example `examples/file-type`, held against Magika's package
//! (`tests/scripts/record_byte_windows.py`).

use std::path::{Path, PathBuf};

use lehr_pipeline::{Context, Item, NoFiles, Pipeline, Source, steps};
use lehr_tensor::{Bytes, Tensor};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Case {
    content: String,
    beginning: i64,
    end: i64,
    block: i64,
    padding: i64,
    values: Option<Vec<i32>>,
    /// The best classes of the model and their scores.
    #[serde(default)]
    scores: Vec<(usize, f32)>,
    /// What the package says, unless it does so without the model.
    #[serde(rename = "type")]
    label: Option<String>,
}

impl Case {
    fn bytes(&self) -> Bytes {
        let digits = self.content.as_bytes().chunks_exact(2);
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.map(byte).collect::<Vec<u8>>().into()
    }

    fn windows(&self) -> Vec<i32> {
        let parameters = toml::Table::from_iter(
            [
                ("beginning", self.beginning),
                ("end", self.end),
                ("block", self.block),
                ("padding", self.padding),
            ]
            .map(|(name, value)| (name.to_owned(), value.into())),
        );
        let step = steps::find("byte_windows").unwrap().build(parameters, &NoFiles).unwrap();
        let given = step.apply(Item::Bytes(self.bytes()), &mut Context::default()).unwrap();
        given.into_tensor().unwrap().into_vec().unwrap()
    }

    /// What the example says of these scores.
    fn answer(&self, pipeline: &Pipeline) -> String {
        let source = Source::Bytes { name: "file".to_owned(), bytes: self.bytes() };
        let prepared = pipeline.prepare(&source, false).unwrap();
        if let Some(values) = &self.values {
            let expected = Tensor::from_slice(&[1, values.len()], values).unwrap();
            assert_eq!(prepared.feeds, [("bytes".to_owned(), expected)]);
        }
        let mut scores = vec![0.0; 214];
        for &(index, score) in &self.scores {
            scores[index] = score;
        }
        let scores = Tensor::from_vec(&[1, 214], scores).unwrap();
        let answers = pipeline.finish(prepared.context, &[("target_label".to_owned(), scores)]).unwrap();
        answers.best_class().unwrap().label.clone().unwrap()
    }
}

/// Checks all cases of a file and gives their number.
fn check(path: &Path) -> usize {
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let pipeline = Pipeline::load(root().join("examples/file-type/pipeline.toml")).unwrap();
    for case in &cases {
        if let Some(values) = &case.values {
            assert_eq!(case.windows(), *values, "{case:?}");
        }
        if let Some(label) = &case.label {
            assert_eq!(case.answer(&pipeline), *label, "{case:?}");
        }
    }
    cases.len()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn windows_and_types_equal_those_of_the_package() {
    assert_eq!(check(&root().join("crates/pipeline/tests/golden/bytes/cases.json")), 71);
}

#[test]
fn more_files_may_be_given_as_recorded_cases() {
    match std::env::var_os("LEHR_FILE_TYPE_CASES") {
        Some(path) => println!("{} cases agree", check(Path::new(&path))),
        None => println!("skipped: LEHR_FILE_TYPE_CASES names no file with cases"),
    }
}

#[test]
fn files_that_say_nothing_are_refused_with_their_name() {
    let pipeline = Pipeline::load(root().join("examples/file-type/pipeline.toml")).unwrap();
    let source = Source::Bytes { name: "empty.txt".to_owned(), bytes: Bytes::new() };
    assert_eq!(
        pipeline.prepare(&source, false).unwrap_err().to_string(),
        "'empty.txt': input 'bytes', step 1 (byte_windows): expected at least 8 bytes after white space, got 0"
    );
}
