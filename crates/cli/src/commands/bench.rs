//! `lehr bench`: how long a model takes and how much memory.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use lehr::{DataType, Datum, Feeds, Outputs, Session};
use serde_json::{Value, json};

use super::super::feeds;
use crate::arguments::{Execution, Feed, Json, Shapes};
use crate::atomic;
use crate::failure::Failure;
use crate::numbers::short;

const BYTES_PER_MB: f64 = (1 << 20) as f64;

/// Measure load time, run times and memory
#[derive(Debug, Args)]
pub struct Arguments {
    /// Model file
    model: PathBuf,

    #[command(flatten)]
    feed: Feed,

    #[command(flatten)]
    shapes: Shapes,

    /// Measure for at least that many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    min_time: f64,

    /// Measure at least that many runs
    #[arg(long, value_name = "N", default_value_t = 10)]
    min_runs: usize,

    /// Runs between the first one and the measured ones
    #[arg(long, value_name = "N", default_value_t = 3)]
    warmup: usize,

    /// Save the outputs into that folder as raw little-endian f32 files, one for each output
    #[arg(long, value_name = "DIR")]
    outputs: Option<PathBuf>,

    /// Measure every node as well, in runs of their own
    #[arg(long, conflicts_with = "json")]
    profile: bool,

    #[command(flatten)]
    execution: Execution,

    #[command(flatten)]
    json: Json,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    if (0.0..=86_400.0).contains(&seconds) { Ok(seconds) } else { Err("expected 0 to 86400 seconds".into()) }
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let start = Instant::now();
    let model = arguments.shapes.apply(super::load(&arguments.model)?)?;
    let mut session = super::session(&model, &arguments.execution.options(), &arguments.model)?;
    let load = start.elapsed();
    let sizes = arguments.shapes.assignment();
    let fed = feeds::recorded_or_made_up(arguments.feed.feed.as_deref(), &model, &sizes)?;
    drop(model);
    let (outputs, first) = timed_run(&mut session, &fed)?;
    let saved = arguments.outputs.as_deref().map(|folder| save_raw(folder, &outputs)).transpose()?;
    drop(outputs);
    for _ in 0..arguments.warmup {
        timed_run(&mut session, &fed)?;
    }
    let times = measure(&mut session, &fed, Duration::from_secs_f64(arguments.min_time), arguments.min_runs)?;
    let result = record(load, first, &times, &session, saved);
    let mut out = io::stdout().lock();
    if arguments.json.json {
        writeln!(out, "{result}")?;
        return Ok(out.flush()?);
    }
    if let Some(fields) = result.as_object() {
        for (name, value) in fields {
            let text = value.as_f64().map_or_else(|| value.to_string(), short);
            writeln!(out, "{name:<10} {text}")?;
        }
    }
    if arguments.profile {
        session.set_profiling(true);
        measure(&mut session, &fed, Duration::ZERO, arguments.min_runs)?;
        write!(out, "\n{}", session.profile())?;
    }
    Ok(out.flush()?)
}

fn timed_run(session: &mut Session, fed: &feeds::NamedValues) -> Result<(Outputs, Duration), Failure> {
    // Cheap: values share their memory.
    let feeds: Feeds = fed.iter().cloned().collect();
    let start = Instant::now();
    let outputs = session.run(feeds)?;
    Ok((outputs, start.elapsed()))
}

fn measure(
    session: &mut Session,
    fed: &feeds::NamedValues,
    least_time: Duration,
    least_runs: usize,
) -> Result<Vec<Duration>, Failure> {
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < least_runs.max(1) || start.elapsed() < least_time {
        times.push(timed_run(session, fed)?.1);
    }
    times.sort();
    Ok(times)
}

fn record(
    load: Duration,
    first: Duration,
    sorted: &[Duration],
    session: &Session,
    outputs: Option<Vec<String>>,
) -> Value {
    let mut record = json!({
        "load_ms": ms(load),
        "first_ms": ms(first),
        "median_ms": percentile(sorted, 0.5),
        "p10_ms": percentile(sorted, 0.1),
        "p90_ms": percentile(sorted, 0.9),
        "p99_ms": percentile(sorted, 0.99),
        "min_ms": percentile(sorted, 0.0),
        "runs": sorted.len(),
        "rss_mb": peak_resident_mb(),
        "arena_mb": session.statistics().peak_bytes as f64 / BYTES_PER_MB,
        "version": concat!("lehr ", env!("CARGO_PKG_VERSION")),
    });
    if let Some(paths) = outputs {
        record["outputs"] = json!(paths);
    }
    record
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Linear between the two nearest of the sorted times.
fn percentile(sorted: &[Duration], share: f64) -> f64 {
    let at = share * sorted.len().saturating_sub(1) as f64;
    let value = |index: f64| sorted.get(index as usize).copied().map_or(f64::NAN, ms);
    let (low, high) = (value(at.floor()), value(at.ceil()));
    low + (high - low) * at.fract()
}

/// `VmHWM` of this process in MiB, where the system tells it.
fn peak_resident_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kb: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kb / 1024.0)
}

/// One file for each output in graph order; returns the paths.
fn save_raw(folder: &Path, outputs: &Outputs) -> Result<Vec<String>, Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, "created", error))?;
    outputs.iter().enumerate().map(|(index, (name, value))| save_output(folder, index, name, value)).collect()
}

fn save_output(folder: &Path, index: usize, name: &str, value: &Datum) -> Result<String, Failure> {
    let tensor = value.as_tensor().ok_or_else(|| format!("{} is no tensor", value.describe()));
    let floats = tensor.and_then(|t| t.cast(DataType::F32, Default::default()).map_err(|e| e.to_string()));
    let floats =
        floats.map_err(|e| Failure::Message(format!("output '{name}' can not be saved as f32: {e}")))?;
    let path = folder.join(format!("output_{index}.f32"));
    atomic::write_bytes(&path, floats.bytes())?;
    Ok(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_between_the_nearest_times() {
        let times: Vec<_> = (1..=5).map(Duration::from_millis).collect();
        for (share, ms) in [(0.0, 1.0), (0.5, 3.0), (0.1, 1.4), (1.0, 5.0)] {
            assert!((percentile(&times, share) - ms).abs() < 1e-9, "{share}");
        }
        assert_eq!(percentile(&times[..1], 0.99), 1.0);
    }
}
