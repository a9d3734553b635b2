//! The ONNX backend suite, four ways: unoptimised, optimised, through export and re-import, and through a bundle; and
//! the committed cases of opset 28. `conformance_expectations.tsv` lists each case that is not expected to pass, with
//! the reason: a listed case that passes fails the test just as an unlisted one that does not.
//!
//! The suite comes from the `onnx` package; `LEHR_ONNX_SUITE` names the folder that holds `node/`, `simple/` …

mod suite;

use std::path::{Path, PathBuf};

use lehr::conformance::find_cases;
use lehr::onnx::data::write_tensor_message;
use lehr::{Model, Tensor};

use suite::{Scratch, fixture, run_all};

#[test]
fn backend_suite() {
    let Some(suite) = std::env::var_os("LEHR_ONNX_SUITE").map(PathBuf::from) else {
        println!("LEHR_ONNX_SUITE is not set: `cargo xtask test` fetches the suite and sets it");
        return;
    };
    let scratch = Scratch::new("light");
    let folders = ["node", "simple", "pytorch-operator", "pytorch-converted"].map(|kind| suite.join(kind));
    let mut cases = find_cases(&folders).unwrap();
    cases.extend(topologies(&suite.join("light"), &scratch.0));
    assert_eq!(cases.len(), 1765 + 23 + 35 + 82 + 9, "cases in {}", suite.display());
    run_all(&cases);
}

#[test]
fn opset_28() {
    let (_scratch, cases) = fixture("onnx-opset28.zip");
    run_all(&cases);
}

/// The whole networks of the suite: their input is 0, 1/n, 2/n … as the suite's own runner makes it.
fn topologies(folder: &Path, scratch: &Path) -> Vec<PathBuf> {
    let mut models: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    models.retain(|path| path.extension().is_some_and(|e| e == "onnx"));
    models.sort();
    models.iter().map(|path| topology(path, scratch)).collect()
}

fn topology(path: &Path, scratch: &Path) -> PathBuf {
    let stem = path.file_stem().unwrap().to_str().unwrap();
    let case = scratch.join(stem);
    let set = case.join("test_data_set_0");
    std::fs::create_dir_all(&set).unwrap();
    std::fs::copy(path, case.join("model.onnx")).unwrap();
    let model = Model::load(path).unwrap();
    for (index, port) in model.inputs().iter().enumerate() {
        let shape = port.ty.shape().unwrap().as_fixed().unwrap();
        let n: usize = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|i| (i as f64 / n as f64) as f32).collect();
        let tensor = Tensor::from_vec(&shape, values).unwrap();
        std::fs::write(set.join(format!("input_{index}.pb")), write_tensor_message(&port.name, &tensor))
            .unwrap();
    }
    for index in 0..model.outputs().len() {
        let recorded = path.with_file_name(format!("{stem}_output_{index}.pb"));
        std::fs::copy(recorded, set.join(format!("output_{index}.pb"))).unwrap();
    }
    case
}
