//! Running folders of cases and judging them by the list of expected failures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lehr::conformance::{ConformanceOptions, Through, Verdict, find_cases, run_case};
use lehr::onnx::WriteOptions;
use lehr::{ModelOptions, OptLevel};

const EXPECTATIONS: &str = include_str!("../conformance_expectations.tsv");

/// One way to run the suite.
struct Mode {
    name: &'static str,
    optimize: OptLevel,
    through: fn() -> Through,
}

const MODES: [Mode; 4] = [
    Mode { name: "unoptimised", optimize: OptLevel::O0, through: || Through::Nothing },
    Mode { name: "optimised", optimize: OptLevel::O3, through: || Through::Nothing },
    Mode { name: "exported", optimize: OptLevel::O1, through: || Through::Onnx(WriteOptions::default()) },
    Mode { name: "bundled", optimize: OptLevel::O1, through: || Through::Bundle },
];

/// A folder that is removed at the end.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        let unique = format!("{name}-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(unique);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The cases of an archive in `tests/fixtures`, unpacked; one within it is unpacked too.
pub fn fixture(name: &str) -> (Scratch, Vec<PathBuf>) {
    let scratch = Scratch::new(name);
    let unpack = |path: &Path| {
        zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap().extract(&scratch.0).unwrap();
    };
    unpack(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name));
    let inner = scratch.0.join("cases.zip");
    if inner.is_file() {
        unpack(&inner);
    }
    let cases = find_cases(std::slice::from_ref(&scratch.0)).unwrap();
    (scratch, cases)
}

/// Expected failures by mode and case; a mode `*` means every one.
pub fn expected_failures(mode: &str) -> BTreeMap<&'static str, &'static str> {
    let lines = EXPECTATIONS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rows = lines.map(|line| {
        let fields: Vec<_> = line.split('\t').collect();
        let [mode, case, reason] = fields[..] else { panic!("expected mode, case and reason in '{line}'") };
        (mode, case, reason)
    });
    rows.filter(|(m, _, _)| *m == mode || *m == "*").map(|(_, case, reason)| (case, reason)).collect()
}

/// Runs every case in every mode; those which end otherwise than expected fail the test.
pub fn run_all(cases: &[PathBuf]) {
    let mut surprises = Vec::new();
    for mode in &MODES {
        let model = ModelOptions { optimize: mode.optimize, threads: Some(1), ..ModelOptions::default() };
        let options = ConformanceOptions { model, through: (mode.through)() };
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

/// The verdicts on `cases`, in their order.
pub fn in_parallel(cases: &[PathBuf], options: &ConformanceOptions) -> Vec<Verdict> {
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
