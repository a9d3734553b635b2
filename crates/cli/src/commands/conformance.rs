//! `lehr conformance`: runs cases of the ONNX backend suite.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use lehr::ModelOptions;
use lehr::conformance::{ConformanceOptions, Through, Verdict, find_cases, run_case};
use lehr::onnx::WriteOptions;
use serde_json::{Value, json};

use crate::arguments::{Execution, Json};
use crate::failure::Failure;
use crate::progress::Progress;

/// Set while panics are caught and counted instead of being reported.
pub static CATCHES_PANICS: AtomicBool = AtomicBool::new(false);

/// Run ONNX test cases: folders with model.onnx and test_data_set_*
#[derive(Debug, Args)]
pub struct Arguments {
    /// Case folders, or folders of such folders
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,

    /// Evaluate every node by its reference definition
    #[arg(long)]
    reference: bool,

    /// Write each model as ONNX, read it back, and run that
    #[arg(long, conflicts_with = "bundle")]
    export: bool,

    /// Write each model as a bundle, read it back, and run that
    #[arg(long)]
    bundle: bool,

    #[command(flatten)]
    execution: Execution,

    #[command(flatten)]
    json: Json,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let cases = find_cases(&arguments.folders).map_err(|error| Failure::Message(error.to_string()))?;
    if cases.is_empty() {
        return Err(Failure::Message("there is no model.onnx in or below the given folders".into()));
    }
    let options = ConformanceOptions {
        model: ModelOptions { reference: arguments.reference, ..arguments.execution.options() },
        through: match (arguments.export, arguments.bundle) {
            (true, _) => Through::Onnx(WriteOptions::default()),
            (false, true) => Through::Bundle,
            (false, false) => Through::Nothing,
        },
    };
    let mut out = io::stdout().lock();
    let quiet = arguments.json.json || !out.is_terminal();
    let mut progress = Progress::new(cases.len(), quiet);
    let mut counts = Counts::default();
    let mut records = Vec::new();
    CATCHES_PANICS.store(true, Ordering::Relaxed);
    for case in &cases {
        let name = case_name(case);
        let verdict = run_case(case, &options);
        counts.add(&verdict);
        progress.step(&name);
        if arguments.json.json {
            records.push(record(&name, &verdict));
        } else {
            writeln!(out, "{}", line(&name, &verdict))?;
        }
    }
    CATCHES_PANICS.store(false, Ordering::Relaxed);
    drop(progress);
    if arguments.json.json {
        let Counts { passed, failed, skipped } = counts;
        writeln!(
            out,
            "{}",
            json!({"passed": passed, "failed": failed, "skipped": skipped, "cases": records})
        )?;
    } else {
        writeln!(out, "{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped)?;
    }
    out.flush()?;
    if counts.failed > 0 { Err(Failure::Reported) } else { Ok(()) }
}

#[derive(Default)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Counts {
    fn add(&mut self, verdict: &Verdict) {
        *match verdict {
            Verdict::Passed => &mut self.passed,
            Verdict::Failed(_) => &mut self.failed,
            Verdict::Skipped(_) => &mut self.skipped,
        } += 1;
    }
}

fn case_name(folder: &Path) -> String {
    folder
        .file_name()
        .map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn line(name: &str, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed => format!("PASS {name}"),
        Verdict::Failed(reason) => format!("FAIL {name}: {}", reason.replace('\n', "; ")),
        Verdict::Skipped(reason) => format!("SKIP {name}: {reason}"),
    }
}

fn record(name: &str, verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Passed => json!({"case": name, "verdict": "passed"}),
        Verdict::Failed(reason) => json!({"case": name, "verdict": "failed", "reason": reason}),
        Verdict::Skipped(reason) => json!({"case": name, "verdict": "skipped", "reason": reason}),
    }
}
