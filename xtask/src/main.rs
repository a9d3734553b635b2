//! Repository chores: `cargo xtask COMMAND`.
//!
//! Invariants:
//! - Every chore works from any folder inside the repository and writes only below it.
//! - Nothing is fetched unless the chore says so first.

mod codegen;
mod fetch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What every chore answers; the error is one line, ready to print.
type Outcome<T = ()> = Result<T, String>;

const USAGE: &str = "\
usage: cargo xtask COMMAND

commands:
  fetch       download and unpack what the tests need into target/fetched
  codegen     regenerate checked-in code (cargo run -p xtask --features codegen -- codegen)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["fetch"] => fetch_everything(),
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
    let problems: Vec<String> =
        fetch::PACKAGES.iter().filter_map(|package| fetch::package(package).err()).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\nerror: ")) }
}
