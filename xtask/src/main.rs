//! Repository chores: `cargo xtask COMMAND`.
//!
//! Invariants:
//! - Every chore works from any folder inside the repository and writes only below it.
//! - Nothing is fetched unless the chore says so first.

#![forbid(unsafe_code)]

mod codegen;
mod cross;
mod examples;
mod fetch;
mod sanitize;
mod test;
mod tidy;
mod tidy_ops;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What every chore answers; the error is one line, ready to print.
type Outcome<T = ()> = Result<T, String>;

const USAGE: &str = "\
usage: cargo xtask COMMAND

commands:
  test        every check: format, clippy, tidy, tests, documentation, conformance, real models,
              examples; --slow adds the long sweeps
  cross       tests of tensor and kernels on AArch64 (NEON) under emulation
  sanitize    tests of the crates with unsafe code under AddressSanitizer
  tidy        the repository's own rules: crate edges, file names and lengths, docs of each crate
  fetch       download and unpack what the tests need into target/fetched
  docs        write the generated pages under docs/ anew
  codegen     regenerate checked-in code (cargo run -p xtask --features codegen -- codegen)
";

/// Packages and test binaries that hold generated pages.
const GENERATED_PAGES: [(&str, &str); 3] =
    [("lehr", "supported_operators"), ("lehr-cli", "commands"), ("lehr-passes", "pass_table")];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["test", options @ ..] if options.iter().all(|option| *option == "--slow") => {
            return if test::run(!options.is_empty()) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        ["cross"] => test::run_cross().and_then(failures_shown),
        ["sanitize"] => failures_shown(test::run_sanitized()),
        ["tidy"] => run_tidy(),
        ["fetch"] => fetch_everything(),
        ["docs"] => write_docs(),
        ["codegen"] => codegen::run(),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace's `Cargo.toml`.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

fn fetch_everything() -> Outcome {
    let suite = [fetch::ONNX_SUITE];
    let packages = suite.iter().chain(fetch::MODELS);
    all_well(packages.filter_map(|package| fetch::package(package).err()).collect())
}

/// The tests that hold generated pages against the code write them when asked to.
fn write_docs() -> Outcome {
    for (package, test) in GENERATED_PAGES {
        let status = std::process::Command::new(env!("CARGO"))
            .args(["test", "--quiet", "--package", package, "--test", test])
            .current_dir(root())
            .env("LEHR_WRITE_DOCS", "1")
            .status()
            .map_err(|error| format!("cargo can not be started: {error}"))?;
        if !status.success() {
            return Err(format!("the pages of {package} could not be written"));
        }
    }
    Ok(())
}

fn failures_shown(success: bool) -> Outcome {
    if success { Ok(()) } else { Err("some tests failed, see above".to_owned()) }
}

fn run_tidy() -> Outcome {
    all_well(tidy::problems())
}

fn all_well(problems: Vec<String>) -> Outcome {
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\nerror: ")) }
}
