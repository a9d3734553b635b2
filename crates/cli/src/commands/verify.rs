//! `lehr verify`: whether a bundle is what was written.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use lehr::bundle::{Bundle, BundleError, OpenOptions, Problem, Segment};
use serde_json::{Value, json};

use crate::arguments::Json;
use crate::failure::Failure;

/// Compare every segment of a bundle with its hash
#[derive(Debug, Args)]
pub struct Arguments {
    /// Bundle file (.lehr)
    bundle: PathBuf,

    #[command(flatten)]
    json: Json,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let path = &arguments.bundle;
    let verified = Bundle::open(path, OpenOptions::default()).map(Verified::of);
    let is_clean = verified.as_ref().is_ok_and(|verified| verified.problems.is_empty());
    let mut out = io::stdout().lock();
    match (verified, arguments.json.json) {
        (verified, true) => writeln!(out, "{}", record(path, verified))?,
        (Ok(verified), false) => print(&mut out, path, &verified)?,
        (Err(error), false) => return Err(Failure::file(path, "verified", error)),
    }
    out.flush()?;
    if is_clean { Ok(()) } else { Err(Failure::Reported) }
}

/// A bundle whose bytes were all read.
struct Verified {
    bytes: u64,
    /// Each with whether it has its hash.
    segments: Vec<(Segment, bool)>,
    problems: Vec<String>,
}

impl Verified {
    fn of(bundle: Bundle) -> Self {
        let report = bundle.verify();
        let segments = bundle.segments().iter().enumerate();
        Self {
            bytes: bundle.byte_len(),
            segments: segments.map(|(index, segment)| (segment.clone(), report.is_intact(index))).collect(),
            problems: report.problems.iter().map(|problem| problem_text(&bundle, problem)).collect(),
        }
    }
}

fn problem_text(bundle: &Bundle, problem: &Problem) -> String {
    match problem {
        Problem::Hash { segment, expected, got } => {
            let title = bundle.segments().get(*segment).map(title).unwrap_or_default();
            format!("segment {title} was changed: expected BLAKE3 {expected}, got {got}")
        }
        Problem::Padding { offset } => format!("byte {offset} between segments: expected zero"),
    }
}

/// Kind and name.
pub fn title(segment: &Segment) -> String {
    format!("{} {}", segment.kind, segment.name).trim_end().to_owned()
}

fn print(out: &mut impl Write, path: &Path, verified: &Verified) -> io::Result<()> {
    for (segment, intact) in &verified.segments {
        let state = if *intact { "ok" } else { "DAMAGED" };
        writeln!(out, "{:>12} bytes  {:<7}  {}{}", segment.length, state, title(segment), remark(segment))?;
    }
    for problem in &verified.problems {
        writeln!(out, "error: {problem}")?;
    }
    let verdict = match verified.problems.len() {
        0 => "every byte is as it was written".to_owned(),
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    writeln!(out, "'{}': {} bytes, {verdict}", path.display(), verified.bytes)
}

/// Said of what this version passes over.
pub fn remark(segment: &Segment) -> &'static str {
    if segment.is_usable() { "" } else { " (not known to this version)" }
}

fn record(path: &Path, verified: Result<Verified, BundleError>) -> Value {
    let path = path.display().to_string();
    match verified {
        Ok(Verified { bytes, segments, problems }) => json!({
            "bundle": path,
            "clean": problems.is_empty(),
            "problems": problems,
            "bytes": bytes,
            "segments": segments.iter().map(|(segment, intact)| {
                let mut json = segment_json(segment);
                json["intact"] = json!(intact);
                json
            }).collect::<Vec<_>>(),
        }),
        Err(error) => json!({"bundle": path, "clean": false, "problems": [error.to_string()]}),
    }
}

/// A segment for programs.
pub fn segment_json(segment: &Segment) -> Value {
    json!({
        "kind": segment.kind.to_string(),
        "name": segment.name,
        "offset": segment.offset,
        "bytes": segment.length,
        "blake3": segment.hash.to_string(),
        "required": segment.is_required(),
        "usable": segment.is_usable(),
    })
}
