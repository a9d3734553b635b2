//! Steps that turn scores and scaled numbers into what they stand for, held against scikit-learn
//! (`tests/scripts/record_scores.py`).

use std::path::Path;

use lehr_pipeline::{Context, Item, NoFiles, Step, StepError, steps};
use lehr_tensor::Tensor;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
struct Case {
    step: Map<String, Value>,
    shape: Vec<usize>,
    given: Vec<f32>,
    expected: Vec<f32>,
}

fn step(parameters: &Value) -> Result<Box<dyn Step>, StepError> {
    let mut table: toml::Table = toml::from_str(&toml::to_string(parameters).unwrap()).unwrap();
    let op = table.remove("op").unwrap();
    steps::find(op.as_str().unwrap()).unwrap().build(table, &NoFiles)
}

#[test]
fn scores_and_numbers_are_those_of_scikit_learn() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/scores.json");
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(cases.len(), 7);
    for case in cases {
        let step = step(&Value::Object(case.step.clone())).unwrap();
        let item = Item::Tensor(Tensor::from_vec(&case.shape, case.given).unwrap());
        let inferred = step.infer(&item.ty()).unwrap();
        let given = step.apply(item, &mut Context::default()).unwrap();
        assert_eq!(given.ty(), inferred);
        let got = given.into_tensor().unwrap().into_vec::<f32>().unwrap();
        for (got, expected) in got.iter().zip(&case.expected) {
            assert!((got - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{:?}: {got:?}", case.step);
        }
    }
}

#[test]
fn a_number_becomes_the_class_that_it_lies_in() {
    let step = step(&serde_json::json!({"op": "discretize", "edges": [18.5, 25]})).unwrap();
    let tensor = |shape: &[usize], values: &[f32]| Item::Tensor(Tensor::from_slice(shape, values).unwrap());
    let given = step.apply(tensor(&[3, 1], &[18.0, 18.5, 30.0]), &mut Context::default()).unwrap();
    let expected = r#"[[{"index":0,"score":18.0}],[{"index":1,"score":18.5}],[{"index":2,"score":30.0}]]"#;
    assert_eq!(given.to_json().to_string(), expected);
    let problem = |item| step.apply(item, &mut Context::default()).unwrap_err().to_string();
    assert_eq!(problem(tensor(&[1, 2], &[1.0, 2.0])), "expected one number in each row, got 2");
    assert_eq!(problem(tensor(&[1, 1], &[f32::NAN])), "the model gave no number (NaN)");
}

#[test]
fn parameters_that_make_no_sense_are_refused() {
    for (parameters, expected) in [
        (r#"{"op": "inverse_scale", "mean": [1]}"#, "either 'mean' and 'std' or 'min' and 'max'"),
        (r#"{"op": "inverse_scale", "mean": [], "std": []}"#, "at least one number"),
        (r#"{"op": "inverse_scale", "mean": [1], "std": [1, 2]}"#, "as many numbers as 'mean', 1, got 2"),
        (
            r#"{"op": "inverse_scale", "min": [0], "max": [1], "range": [1, 1]}"#,
            "a smaller and a larger number",
        ),
        (r#"{"op": "stretch", "from": [1, 1], "to": [0, 1]}"#, "two different finite numbers"),
        (r#"{"op": "calibrate", "method": "platt", "x": [1], "y": [1]}"#, "'a' and 'b' alone"),
        (
            r#"{"op": "calibrate", "method": "isotonic", "x": [2, 1], "y": [0, 1]}"#,
            "each larger than the last",
        ),
        (r#"{"op": "calibrate", "method": "isotonic", "x": [1, 2], "y": [1, 0]}"#, "numbers that never fall"),
        (r#"{"op": "discretize", "edges": [2, 1]}"#, "each larger than the last"),
    ] {
        let problem = step(&serde_json::from_str(parameters).unwrap()).unwrap_err().to_string();
        assert!(problem.contains(expected), "{parameters}: {problem}");
    }
    let two = step(&serde_json::json!({"op": "inverse_scale", "mean": [1, 2], "std": [1, 1]})).unwrap();
    let three = Item::Tensor(Tensor::from_vec(&[1, 3], vec![0.0f32; 3]).unwrap());
    let expected = "expected a tensor with 2 columns, one for each parameter, got 3 columns";
    assert_eq!(two.infer(&three.ty()).unwrap_err().to_string(), expected);
    assert_eq!(two.apply(three, &mut Context::default()).unwrap_err().to_string(), expected);
}
