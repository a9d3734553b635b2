//! The ONNX backend suite, three ways: unoptimised, optimised, and through export and re-import; and the committed cases
//! of opset 28. `conformance_expectations.tsv` lists each case that is not expected to pass, with the reason: a listed
//! case that passes fails the test just as an unlisted one that does not.
//!
//! The suite comes from the `onnx` package; `LEHR_ONNX_SUITE` names the folder that holds `node/`, `simple/` …

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lehr::conformance::{ConformanceOptions, Verdict, find_cases, run_case};
use lehr::onnx::data::write_tensor_message;
use lehr::{Model, ModelOptions, OptLevel, Tensor};

const EXPECTATIONS: &str = include_str!("conformance_expectations.tsv");

/// One way to run the suite.
struct Mode {
    name: &'static str,
    optimize: OptLevel,
    export: bool,
}

const MODES: [Mode; 3] = [
    Mode { name: "unoptimised", optimize: OptLevel::O0, export: false },
    Mode { name: "optimised", optimize: OptLevel::O2, export: false },
    Mode { name: "exported", optimize: OptLevel::O1, export: true },
];

/// A folder that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn suite() {
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
    let scratch = Scratch::new("opset28");
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/onnx-opset28.zip");
    zip::ZipArchive::new(std::fs::File::open(archive).unwrap()).unwrap().extract(&scratch.0).unwrap();
    run_all(&find_cases(std::slice::from_ref(&scratch.0)).unwrap());
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

/// Expected failures by mode and case; a mode `*` means every one.
fn expected_failures(mode: &str) -> BTreeMap<&'static str, &'static str> {
    let lines = EXPECTATIONS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rows = lines.map(|line| {
        let fields: Vec<_> = line.split('\t').collect();
        let [mode, case, reason] = fields[..] else { panic!("expected mode, case and reason in '{line}'") };
        (mode, case, reason)
    });
    rows.filter(|(m, _, _)| *m == mode || *m == "*").map(|(_, case, reason)| (case, reason)).collect()
}

fn run_all(cases: &[PathBuf]) {
    let mut surprises = Vec::new();
    for mode in &MODES {
        let model = ModelOptions { optimize: mode.optimize, threads: Some(1), ..ModelOptions::default() };
        let options = ConformanceOptions { model, export: mode.export };
        let verdicts = in_parallel(cases, &options);
        let expected = expected_failures(mode.name);
        let (mut passed, mut failed, mut skipped) = (0, 0, 0);
        for (case, verdict) in cases.iter().zip(&verdicts) {
            let name = case.file_name().unwrap().to_str().unwrap();
            match (verdict, expected.get(name)) {
                (Verdict::Passed, None) => passed += 1,
                (Verdict::Passed, Some(reason)) => {
                    failed += 1;
                    surprises.push(format!("{}: {name} passes, but is listed: {reason}", mode.name));
                }
                // What is listed with a reason counts as skipped in the totals, and as failed in the rate below.
                (Verdict::Failed(_) | Verdict::Skipped(_), Some(_)) => skipped += 1,
                (Verdict::Failed(problem) | Verdict::Skipped(problem), None) => {
                    failed += 1;
                    surprises.push(format!("{}: {name}: {problem}", mode.name));
                }
            }
        }
        println!("{}: {passed} of {} cases pass", mode.name, cases.len());
        println!("{passed} passed, {failed} failed, {skipped} skipped");
    }
    assert!(surprises.is_empty(), "{} surprises:\n{}", surprises.len(), surprises.join("\n"));
}

fn in_parallel(cases: &[PathBuf], options: &ConformanceOptions) -> Vec<Verdict> {
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(vec![Verdict::Skipped("not run".into()); cases.len()]);
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)).map(PathBuf::as_path) {
                    let verdict = run_case(case, options);
                    let at = cases.iter().position(|c| c == case).unwrap();
                    verdicts.lock().unwrap()[at] = verdict;
                }
            });
        }
    });
    verdicts.into_inner().unwrap()
}
