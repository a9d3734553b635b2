//! Whole pipelines: built, checked, run.

use std::collections::BTreeMap;

use lehr_pipeline::{
    Color, Image, InMemory, Item, Manifest, NoFiles, Pipeline, Pixels, Port, Recorder, Signature, Source,
    TensorType,
};
use lehr_tensor::{Bytes, DataType, Tensor};

const CLASSIFIER: &str = r#"
schema = 1

[[input]]
name = "x"
kind = "image"
dtype = "f32"
steps = [{ op = "layout", order = "CHW" }, { op = "batch" }]

[[constant]]
name = "rate"
dtype = "i64"
value = 16000

[[output]]
name = "y"
as = "animal"
steps = [{ op = "softmax" }, { op = "top_k", k = 2 }, { op = "labels", file = "animals.txt" }]
"#;

fn files() -> InMemory {
    InMemory(BTreeMap::from([("animals.txt".to_owned(), Bytes::from_static(b"cat\ndog\nowl\n"))]))
}

fn signature(height: usize) -> Signature {
    let port = |name: &str, dtype, shape| Port { name: name.to_owned(), ty: TensorType::new(dtype, shape) };
    Signature {
        inputs: vec![
            port("x", DataType::F32, vec![None, Some(3), Some(height), Some(2)]),
            port("rate", DataType::I64, vec![]),
        ],
        outputs: vec![port("y", DataType::F32, vec![None, Some(3)])],
    }
}

fn picture() -> Source {
    Item::Image(Image::new(2, 1, Color::Rgb, Pixels::U8(vec![1, 2, 3, 4, 5, 6])).unwrap()).into()
}

#[test]
fn a_picture_becomes_a_tensor_and_numbers_become_an_answer() {
    let pipeline = Pipeline::parse(CLASSIFIER, &files()).unwrap();
    let prepared = pipeline.prepare(&picture(), false).unwrap();
    assert_eq!(prepared.feeds[0], ("rate".to_owned(), Tensor::scalar(16000i64)));
    let x = Tensor::from_vec(&[1, 3, 1, 2], vec![1.0f32, 4.0, 2.0, 5.0, 3.0, 6.0]).unwrap();
    assert_eq!(prepared.feeds[1], ("x".to_owned(), x));
    let y = Tensor::from_vec(&[1, 3], vec![0.0f32, 0.0, f32::NEG_INFINITY]).unwrap();
    let answers = pipeline.finish(prepared.context, &[("y".to_owned(), y)]).unwrap();
    assert_eq!(
        answers.to_json().to_string(),
        r#"{"animal":[{"index":0,"score":0.5,"label":"cat"},{"index":1,"score":0.5,"label":"dog"}]}"#
    );
}

#[test]
fn a_pipeline_that_fits_has_no_problems_and_others_name_them_all() {
    let pipeline = Pipeline::parse(CLASSIFIER, &files()).unwrap();
    assert_eq!(pipeline.check(&signature(1)), Vec::<String>::new());
    let mut other = signature(1);
    other.inputs[1].ty.dtype = Some(DataType::F32);
    other.outputs[0].name = "z".to_owned();
    other.inputs.push(Port { name: "more".to_owned(), ty: TensorType::default() });
    assert_eq!(
        pipeline.check(&other),
        [
            "input 'more' of the model is not fed",
            "input 'rate': the steps give i64[], the model takes f32[]",
            "the model has no output 'y'; it has 'z'",
        ]
    );
}

#[test]
fn mistakes_name_the_step() {
    let wrong = |from: &str, to: &str| {
        Pipeline::parse(&CLASSIFIER.replace(from, to), &files()).unwrap_err().to_string()
    };
    assert_eq!(
        wrong("softmax", "sofmax"),
        "output 'y', step 1 (sofmax): there is no such step; did you mean 'softmax'?"
    );
    assert_eq!(
        wrong("k = 2", "k = 0"),
        "output 'y', step 2 (top_k): parameter 'k': expected at least 1, got 0"
    );
    assert!(wrong("k = 2", "k = 2, q = 1").starts_with("output 'y', step 2 (top_k): unknown field `q`"));
    assert!(wrong("schema = 1", "schema = 2").contains("expected schema 1 or older, got 2"));
    assert!(Pipeline::parse(CLASSIFIER, &NoFiles).unwrap_err().to_string().contains("file 'animals.txt'"));
    let pipeline = Pipeline::parse(CLASSIFIER, &files()).unwrap();
    let text = pipeline.prepare(&Source::text("cat"), false).unwrap_err().to_string();
    assert_eq!(text, "'text': input 'x', step 1 (layout): expected a picture, got text");
}

#[test]
fn a_manifest_comes_back_and_the_files_it_names_are_recorded() {
    let manifest = Manifest::parse(CLASSIFIER).unwrap();
    assert_eq!(Manifest::parse(&manifest.to_text().unwrap()).unwrap(), manifest);
    let recorder = Recorder::new(files());
    Pipeline::build(manifest, &recorder).unwrap();
    assert_eq!(recorder.into_files().into_keys().collect::<Vec<_>>(), ["animals.txt"]);
}

#[test]
fn the_affine_end_is_data() {
    let pipeline = Pipeline::parse(CLASSIFIER, &files()).unwrap();
    let tail = pipeline.affine_tail("x").unwrap();
    assert_eq!((tail.first, tail.layout.as_str()), (0, "NCHW"));
    assert_eq!(pipeline.affine_tail("y"), None);
}

#[test]
fn constants_and_states_take_a_bounded_number_of_bytes_together() {
    let problem = |tensors: &[String]| {
        let text = format!("schema = 1\n{}", tensors.concat());
        Pipeline::parse(&text, &NoFiles).map(|_| ()).unwrap_err().to_string()
    };
    let constant = |name: &str, shape: &str| {
        format!("[[constant]]\nname = '{name}'\ndtype = 'u8'\nshape = {shape}\nvalue = 1\n")
    };
    let state = |name: &str, shape: &str| {
        format!("[[state]]\ninput = '{name}'\noutput = 'o'\ndtype = 'f32'\nshape = {shape}\n")
    };
    let many: Vec<_> = (0..100).map(|index| constant(&format!("c{index}"), "[4096, 4096]")).collect();
    assert_eq!(
        problem(&many),
        "the pipeline can not be read: expected at most 16777216 numbers in all constants, got 33554432 up to 'c1'"
    );
    assert_eq!(
        problem(&[state("a", "[1, 2]"), state("b", "[268435456]")]),
        "the pipeline can not be read: expected at most 268435456 numbers in all states, got 268435458 up to 'b'"
    );
    let overflow = problem(&[state("a", "[9223372036854775807, 4]")]);
    assert!(overflow.starts_with("the pipeline can not be read: states: 'a': "), "{overflow}");
}
