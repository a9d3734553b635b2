//! Runs the cases of the ONNX backend suite: folders with `model.onnx` and `test_data_set_*/{input,output}_K.pb`.
//!
//! The judgement is that of the [suite's runner](https://github.com/onnx/onnx/blob/main/onnx/backend/test/runner):
//! same element type and shape, `|a - b| <= atol + rtol·|b|`, NaN equals NaN, strings exact. Integers are exact here.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use lehr_graph::Datum;
use lehr_runtime::{Feeds, Port};
use lehr_tensor::{Tensor, Wide};

use crate::model::{Model, ModelError, ModelOptions};
use crate::onnx::WriteOptions;
use crate::recorded::{RecordedError, Side, read_folder};

/// How cases are run.
#[derive(Clone, Debug, Default)]
pub struct ConformanceOptions {
    /// How the model is compiled.
    pub model: ModelOptions,
    /// What the model goes through before it runs.
    pub through: Through,
}

/// The way of a model from its file to its run.
#[derive(Clone, Debug, Default)]
pub enum Through {
    /// It runs as it was read.
    #[default]
    Nothing,
    /// It is written as ONNX and read back; a case that an opset asked for can not express is skipped.
    Onnx(WriteOptions),
    /// It is written as a bundle and read back.
    Bundle,
}

impl Through {
    /// The model at the end of the way; a verdict where it does not get there.
    fn take(&self, model: Model, folder: &Path) -> Result<Result<Model, Verdict>, String> {
        let again = |read: Result<Model, ModelError>| {
            read.map(Ok).map_err(|e| format!("reading what was written: {e}"))
        };
        match self {
            Self::Nothing => Ok(Ok(model)),
            Self::Onnx(options) => match (model.to_onnx(options), options.opset) {
                (Ok(bytes), _) => again(Model::from_onnx(bytes, Some(folder))),
                (Err(why), None) => Err(format!("writing: {why}")),
                (Err(why), Some(_)) => Ok(Err(Verdict::Skipped(why.to_string()))),
            },
            Self::Bundle => {
                let bytes = model.to_bundle(model.contents()).map_err(|e| format!("writing: {e}"))?;
                again(Model::from_bundle(bytes))
            }
        }
    }
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All outputs of all data sets agree.
    Passed,
    /// Why not.
    Failed(String),
    /// Nothing to compare with.
    Skipped(String),
}

/// How close floating-point results must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Relative to the expected value.
    pub rtol: f64,
    /// Absolute.
    pub atol: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { rtol: 1e-3, atol: 1e-7 }
    }
}

/// The case folders in or below the given folders, sorted within each.
///
/// # Errors
/// A folder that can not be read.
pub fn find_cases(folders: &[PathBuf]) -> std::io::Result<Vec<PathBuf>> {
    let mut cases = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().rev().cloned().collect();
    while let Some(folder) = open.pop() {
        if folder.join("model.onnx").is_file() {
            cases.push(folder);
            continue;
        }
        let entries = std::fs::read_dir(&folder)
            .map_err(|e| std::io::Error::new(e.kind(), format!("'{}': {e}", folder.display())))?;
        let mut inner: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).filter(|p| p.is_dir()).collect();
        inner.sort_by(|a, b| b.cmp(a));
        open.extend(inner);
    }
    Ok(cases)
}

/// Runs one case. A panic on the way is a failure like any other.
pub fn run_case(folder: &Path, options: &ConformanceOptions) -> Verdict {
    match catch_unwind(AssertUnwindSafe(|| judge(folder, options))) {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(problem)) => Verdict::Failed(problem),
        Err(panic) => Verdict::Failed(format!("panic: {}", panic_message(&*panic))),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

fn judge(folder: &Path, options: &ConformanceOptions) -> Result<Verdict, String> {
    let sets = data_sets(folder)?;
    let model = Model::load(folder.join("model.onnx")).map_err(|e| e.to_string())?;
    // The data lies in the order of the file's own signature, so it is read by that of the model as read.
    let (inputs, outputs) = (model.inputs(), model.outputs());
    let model = match options.through.take(model, folder)? {
        Ok(model) => model,
        Err(verdict) => return Ok(verdict),
    };
    let mut session = model.session(&options.model).map_err(|e| e.to_string())?;
    let tolerance = tolerance_of(folder);
    let mut compared = 0;
    for set in sets {
        let fed = read_or_absent(&set, &inputs, Side::Input)?;
        let expected = read_or_absent(&set, &outputs, Side::Output)?;
        let feeds: Feeds = fed.into_iter().collect();
        let got = session.run(feeds).map_err(|e| e.to_string())?;
        for (name, want) in expected {
            let got = got.named(&name).ok_or_else(|| format!("output '{name}' is missing"))?;
            compare(got, &want, tolerance).map_err(|e| format!("output '{name}': {e}"))?;
            compared += 1;
        }
    }
    Ok(if compared == 0 { Verdict::Skipped("no recorded outputs".into()) } else { Verdict::Passed })
}

fn read_or_absent(set: &Path, ports: &[Port], side: Side) -> Result<Vec<(String, Datum)>, String> {
    match read_folder(set, ports, side) {
        Err(RecordedError::Empty { .. }) => Ok(Vec::new()),
        other => other.map_err(|e| e.to_string()),
    }
}

fn data_sets(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| e.to_string())?;
    let is_set = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("test_data_set") && path.is_dir()
    };
    let mut sets: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).filter(is_set).collect();
    sets.sort();
    Ok(sets)
}

/// The case's own tolerances from `data.json`, where it has one.
fn tolerance_of(folder: &Path) -> Tolerance {
    let text = std::fs::read_to_string(folder.join("data.json")).unwrap_or_default();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let number = |key: &str| json.get(key).and_then(serde_json::Value::as_f64);
    let default = Tolerance::default();
    Tolerance { rtol: number("rtol").unwrap_or(default.rtol), atol: number("atol").unwrap_or(default.atol) }
}

/// Holds a value against the recorded one.
///
/// # Errors
/// The first difference, with both values.
pub fn compare(got: &Datum, want: &Datum, tolerance: Tolerance) -> Result<(), String> {
    match (got, want) {
        (Datum::Tensor(got), Datum::Tensor(want)) => compare_tensors(got, want, tolerance),
        (Datum::Sequence(got), Datum::Sequence(want)) => compare_lists(got, want, tolerance),
        (Datum::Optional(None), Datum::Optional(None)) => Ok(()),
        (Datum::Optional(Some(got)), Datum::Optional(Some(want))) => compare(got, want, tolerance),
        // Recordings give the content of an optional value as it is.
        (Datum::Optional(Some(got)), want) => compare(got, want, tolerance),
        (got, Datum::Optional(Some(want))) => compare(got, want, tolerance),
        (Datum::Map(got), Datum::Map(want)) => {
            compare_tensors(&got.keys, &want.keys, tolerance)?;
            compare_lists(&got.values, &want.values, tolerance)
        }
        _ => Err(format!("expected {}, got {}", want.describe(), got.describe())),
    }
}

fn compare_lists(got: &[Datum], want: &[Datum], tolerance: Tolerance) -> Result<(), String> {
    if got.len() != want.len() {
        return Err(format!("expected {} items, got {}", want.len(), got.len()));
    }
    let pairs = got.iter().zip(want).enumerate();
    pairs.into_iter().try_for_each(|(index, (got, want))| {
        compare(got, want, tolerance).map_err(|e| format!("item {index}: {e}"))
    })
}

fn compare_tensors(got: &Tensor, want: &Tensor, tolerance: Tolerance) -> Result<(), String> {
    if got.dtype() != want.dtype() || got.shape() != want.shape() {
        let describe = |t: &Tensor| Datum::Tensor(t.clone()).describe();
        return Err(format!("expected {}, got {}", describe(want), describe(got)));
    }
    let differing = match (got.widen(), want.widen()) {
        (Wide::F(got), Wide::F(want)) => first_apart(&got, &want, |a, b| close(a, b, tolerance)),
        (Wide::C(got), Wide::C(want)) => {
            first_apart(&got, &want, |[a, b], [c, d]| close(a, c, tolerance) && close(b, d, tolerance))
        }
        (Wide::I(got), Wide::I(want)) => first_apart(&got, &want, |a, b| a == b),
        (Wide::U(got), Wide::U(want)) => first_apart(&got, &want, |a, b| a == b),
        (Wide::B(got), Wide::B(want)) => first_apart(&got, &want, |a, b| a == b),
        (Wide::S(got), Wide::S(want)) => {
            let mut pairs = got.iter().zip(&want).enumerate();
            pairs.find(|(_, (g, w))| g != w).map(|(at, (g, w))| (1, at, format!("{g:?}"), format!("{w:?}")))
        }
        _ => None,
    };
    match differing {
        None => Ok(()),
        Some((count, at, got, want)) => {
            Err(format!("{count} elements differ, first at {at}: expected {want}, got {got}"))
        }
    }
}

fn close(got: f64, want: f64, tolerance: Tolerance) -> bool {
    // Equality covers infinities, whose difference is not a number.
    got == want
        || (got.is_nan() && want.is_nan())
        || (got - want).abs() <= tolerance.atol + tolerance.rtol * want.abs() && want.is_finite()
}

fn first_apart<T: Copy + std::fmt::Debug>(
    got: &[T],
    want: &[T],
    same: impl Fn(T, T) -> bool,
) -> Option<(usize, usize, String, String)> {
    let mut apart = got.iter().zip(want).enumerate().filter(|(_, (g, w))| !same(**g, **w));
    let (at, (got, want)) = apart.next()?;
    Some((1 + apart.count(), at, format!("{got:?}"), format!("{want:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lehr_tensor::DataType;

    #[test]
    fn values_are_judged_as_the_suite_does() {
        let f = |values: &[f32]| Datum::from(Tensor::vector(values.to_vec()));
        let ints = |value| Datum::from(Tensor::vector(vec![value]));
        let zeros = |dtype, shape: &[usize]| Datum::from(Tensor::zeros(dtype, shape).unwrap());
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        for (got, want, same) in [
            (f(&[1.0009]), f(&[1.0]), true),
            (f(&[1.002]), f(&[1.0]), false),
            (f(&[nan, inf, -inf]), f(&[nan, inf, -inf]), true),
            (f(&[1.0]), f(&[nan]), false),
            (f(&[1.0]), f(&[inf]), false),
            (f(&[1e-8]), f(&[0.0]), true),
            (ints(10_000i64), ints(10_001), false),
            (zeros(DataType::F32, &[2]), zeros(DataType::F64, &[2]), false),
            (zeros(DataType::F32, &[2, 1]), zeros(DataType::F32, &[2]), false),
            (Datum::Optional(Some(Box::new(f(&[1.0])))), f(&[1.0]), true),
            (Datum::Optional(None), Datum::Optional(None), true),
            (Datum::Optional(None), f(&[1.0]), false),
            (Datum::Sequence(vec![f(&[1.0])]), Datum::Sequence(vec![]), false),
        ] {
            assert_eq!(compare(&got, &want, Tolerance::default()).is_ok(), same, "{got:?} {want:?}");
        }
    }
}
