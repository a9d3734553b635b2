//! Real models against outputs that ONNX Runtime recorded (`golden/README.md`): as read, optimised, and through export
//! and re-import. `LEHR_MODELS` names the folder with the models; those that no package holds are counted as skipped
//! where they are missing.

use std::path::{Path, PathBuf};

use lehr::onnx::WriteOptions;
use lehr::runtime::Feeds;
use lehr::tensor::npz;
use lehr::{DataType, Datum, Model, ModelOptions, OptLevel, Tensor};

/// Largest difference relative to the largest recorded value.
const TOLERANCE: f64 = 1e-4;
/// Differences that are rounding whatever the recorded value is: the sigmoid of ONNX Runtime is off by 3e-8 near 0, where
/// two wake-word probabilities lie (the standard's own evaluator gives ours).
const ROUNDING: f64 = 1e-7;

struct Case {
    name: String,
    feeds: Vec<(String, Datum)>,
    outputs: Vec<(String, Tensor)>,
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn read_case(path: &Path) -> Case {
    let entries = npz::read(std::fs::File::open(path).unwrap()).unwrap();
    let find = |name: &str| entries.iter().find(|(n, _)| n == name).map(|(_, t)| t);
    let mut case =
        Case { name: path.file_stem().unwrap().to_str().unwrap().into(), feeds: vec![], outputs: vec![] };
    for (name, tensor) in &entries {
        if let Some(output) = name.strip_prefix("output:") {
            case.outputs.push((output.to_owned(), tensor.clone()));
        } else if !name.starts_with("scale:") && !name.starts_with("offset:") {
            let fed = match (find(&format!("scale:{name}")), find(&format!("offset:{name}"))) {
                (Some(scale), Some(offset)) => affine(tensor, scale, offset),
                _ => tensor.clone(),
            };
            case.feeds.push((name.clone(), fed.into()));
        }
    }
    case
}

fn affine(bytes: &Tensor, scale: &Tensor, offset: &Tensor) -> Tensor {
    let (scale, offset) = (scale.item::<f32>().unwrap(), offset.item::<f32>().unwrap());
    let values = bytes.as_slice::<u8>().unwrap().iter().map(|&b| f32::from(b) * scale + offset).collect();
    Tensor::from_vec(bytes.shape(), values).unwrap()
}

/// max|a−b| / max|b| for numbers, 0 within rounding; other types must be equal.
fn difference(got: &Tensor, want: &Tensor) -> Result<f64, String> {
    if got.shape() != want.shape() || got.dtype() != want.dtype() {
        return Err(format!(
            "{:?} {:?}, expected {:?} {:?}",
            got.dtype(),
            got.shape(),
            want.dtype(),
            want.shape()
        ));
    }
    if !matches!(want.dtype(), DataType::F32 | DataType::F16 | DataType::F64) {
        return if got == want { Ok(0.0) } else { Err("contents differ".into()) };
    }
    let (got, want) = (got.to_f64s().unwrap(), want.to_f64s().unwrap());
    let largest = want.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let apart = got.iter().zip(&want).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
    let relative = if apart <= ROUNDING { 0.0 } else { apart / largest.max(f64::MIN_POSITIVE) };
    if got.iter().any(|v| v.is_nan()) { Err("NaN".into()) } else { Ok(relative) }
}

fn hold(case: &Case, model: &Model, optimize: OptLevel) -> Result<f64, String> {
    let mut session =
        model.session(&ModelOptions { optimize, ..Default::default() }).map_err(|e| e.to_string())?;
    let outputs = session.run(case.feeds.iter().cloned().collect::<Feeds>()).map_err(|e| e.to_string())?;
    let mut worst = 0.0f64;
    for (name, want) in &case.outputs {
        let got = outputs.tensor(name).ok_or_else(|| format!("output '{name}' is missing"))?;
        worst = worst.max(difference(got, want).map_err(|e| format!("output '{name}': {e}"))?);
    }
    if worst > TOLERANCE {
        Err(format!("differs by {worst:.1e}, allowed {TOLERANCE:.0e}"))
    } else {
        Ok(worst)
    }
}

#[test]
fn answers_are_those_of_onnx_runtime() {
    let Some(folder) = std::env::var_os("LEHR_MODELS").map(PathBuf::from) else {
        println!("LEHR_MODELS is not set: `cargo xtask test` fetches the models and sets it");
        return;
    };
    let table = std::fs::read_to_string(golden().join("models.tsv")).unwrap();
    let (mut passed, mut skipped, mut problems) = (0, 0, Vec::new());
    for row in table.lines().skip(1) {
        let fields: Vec<_> = row.split('\t').collect();
        let [name, path, package] = fields[..] else { panic!("expected name, path and package in '{row}'") };
        let path = folder.join(path);
        let cases: Vec<Case> = (1..)
            .map(|i| golden().join(format!("{name}.{i}.npz")))
            .take_while(|p| p.is_file())
            .map(|p| read_case(&p))
            .collect();
        assert!(!cases.is_empty(), "{name} has no recorded case");
        if !path.is_file() {
            assert_eq!(package, "-", "{name} should have been fetched from {package}");
            println!("{name}: skipped, in no package");
            skipped += 3 * cases.len();
            continue;
        }
        let model = Model::load(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        let written = model.to_onnx(&WriteOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let exported =
            Model::from_onnx(written, None).unwrap_or_else(|e| panic!("{name}, written and read: {e}"));
        for case in &cases {
            for (way, model, optimize) in [
                ("as read", &model, OptLevel::O0),
                ("optimised", &model, OptLevel::O2),
                ("exported", &exported, OptLevel::O1),
            ] {
                match hold(case, model, optimize) {
                    Ok(difference) => {
                        passed += 1;
                        println!("{}, {way}: {difference:.1e}", case.name);
                    }
                    Err(problem) => problems.push(format!("{}, {way}: {problem}", case.name)),
                }
            }
        }
    }
    println!("{passed} passed, {} failed, {skipped} skipped", problems.len());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
