//! `cargo xtask test`: every check of the repository, in a fixed order, with one summary.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use crate::examples::EXAMPLES;
use crate::{cross, fetch, sanitize, tidy};

/// Test binaries that read fetched data; they run on their own after everything else.
const FETCHED_TESTS: &[&str] = &["conformance", "real_models"];

/// The table of parts; a new check is one more line.
const STEPS: &[Step] = &[
    Step { name: "format", slow: false, run: |_| format() },
    Step { name: "clippy", slow: false, run: |_| cargo(&clippy(&["--workspace"])) },
    Step {
        name: "clippy of the generators",
        slow: true,
        run: |_| cargo(&clippy(&["--package=xtask", "--features=codegen"])),
    },
    Step { name: "tidy", slow: false, run: |_| tidy_counts() },
    Step { name: "third parties", slow: false, run: |_| third_parties() },
    Step { name: "tests", slow: false, run: workspace_tests },
    Step { name: "documentation", slow: false, run: documentation },
    Step {
        name: "conformance",
        slow: false,
        run: |env| fetched_tests(env, "conformance", &[fetch::ONNX_SUITE]),
    },
    Step { name: "real models", slow: false, run: |env| fetched_tests(env, "real_models", fetch::MODELS) },
    Step { name: "examples", slow: false, run: |_| examples() },
    Step { name: CROSS, slow: true, run: |_| cross_tests() },
    Step { name: SANITIZE, slow: true, run: |_| sanitized_tests() },
];

const CROSS: &str = "other instruction sets";
const SANITIZE: &str = "address sanitizer";

struct Step {
    name: &'static str,
    /// Only with `--slow`.
    slow: bool,
    run: fn(&Environment) -> Report,
}

/// Variables that the steps hand to what they run.
type Environment = BTreeMap<&'static str, String>;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

#[derive(Default)]
struct Report {
    counts: Counts,
    /// Why it failed, where that is not in the output of a command.
    problems: Vec<String>,
}

/// Runs all parts and says whether nothing in them failed; the last line printed is the total. `slow` adds the long
/// sweeps (`LEHR_SLOW=1` for the tests).
pub fn run(slow: bool) -> bool {
    let mut environment = Environment::new();
    if slow {
        environment.insert("LEHR_SLOW", "1".to_owned());
    }
    run_steps(STEPS.iter().filter(|step| slow || !step.slow), &environment)
}

/// The step that runs tests on another instruction set, alone. Missing tools are an error here.
pub fn run_cross() -> Result<bool, String> {
    cross::missing().map_or_else(|| Ok(run_step(CROSS)), Err)
}

/// The step that runs tests under a sanitizer, alone.
pub fn run_sanitized() -> bool {
    run_step(SANITIZE)
}

fn run_step(name: &str) -> bool {
    run_steps(STEPS.iter().filter(|step| step.name == name), &Environment::new())
}

fn run_steps<'a>(steps: impl Iterator<Item = &'a Step>, environment: &Environment) -> bool {
    let mut total = Counts::default();
    let mut lines = Vec::new();
    for step in steps {
        println!("== {} ==", step.name);
        let start = Instant::now();
        let report = (step.run)(environment);
        total = total.plus(report.counts);
        lines.push(format!("{:>7.1} s  {:<26} {}", start.elapsed().as_secs_f64(), step.name, report.counts));
        lines.extend(report.problems.iter().map(|problem| format!("           FAILED: {problem}")));
    }
    println!("\n== summary ==\n{}\n{total}", lines.join("\n"));
    total.failed == 0
}

impl Counts {
    const PASS: Self = Self { passed: 1, failed: 0, skipped: 0 };
    const FAILURE: Self = Self { passed: 0, failed: 1, skipped: 0 };

    fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }

    /// A process that failed without saying what counts as one failure.
    fn with_status(self, status: Option<ExitStatus>) -> Self {
        let success = status.is_some_and(|status| status.success());
        if success || self.failed > 0 { self } else { self.plus(Self::FAILURE) }
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl Report {
    fn failure(problems: Vec<String>) -> Self {
        Self { counts: Counts::FAILURE, problems }
    }
}

impl From<Counts> for Report {
    fn from(counts: Counts) -> Self {
        Self { counts, problems: Vec::new() }
    }
}

fn clippy<'a>(scope: &[&'a str]) -> Vec<&'a str> {
    [&["clippy", "--quiet", "--all-targets"], scope, &["--", "-Dwarnings"]].concat()
}

/// A cargo command that passes or fails as a whole.
fn cargo(arguments: &[&str]) -> Report {
    Counts::default().with_status(output_of(&mut cargo_command(arguments)).0).or_pass()
}

impl Counts {
    fn or_pass(self) -> Report {
        if self == Self::default() { Self::PASS.into() } else { self.into() }
    }
}

fn cargo_command(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(crate::root());
    command
}

fn tidy_counts() -> Report {
    let problems = tidy::problems();
    for problem in &problems {
        println!("{problem}");
    }
    if problems.is_empty() { Counts::PASS.into() } else { Report::failure(problems) }
}

/// Licences, bans and sources by `deny.toml`, where cargo-deny is installed; advisories need a download and stay out.
fn third_parties() -> Report {
    if !has_subcommand("deny") {
        return Counts { skipped: 1, ..Counts::default() }.into();
    }
    cargo(&["deny", "--offline", "--log-level=error", "check", "bans", "licenses", "sources"])
}

fn has_subcommand(name: &str) -> bool {
    cargo_command(&[name, "--version"]).output().is_ok_and(|output| output.status.success())
}

/// All tests that need nothing fetched, with nextest (and the examples in the docs) or else with plain cargo.
/// Every tracked file by name: `cargo fmt` does not see the modules that a macro declares, which all operators are.
fn format() -> Report {
    let listed = Command::new("git").args(["ls-files", "*.rs"]).current_dir(crate::root()).output();
    let files = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    if files.is_empty() {
        return Report::failure(vec!["git lists no source files".to_owned()]);
    }
    let mut command = Command::new("rustfmt");
    command.args(["--check", "--edition", "2024"]).args(files.lines()).current_dir(crate::root());
    Counts::default().with_status(output_of(&mut command).0).or_pass()
}

fn workspace_tests(environment: &Environment) -> Report {
    if !has_subcommand("nextest") {
        return libtest(cargo_command(&["test", "--workspace"]).envs(environment)).into();
    }
    let mut command = cargo_command(&["nextest", "run", "--workspace", "--no-fail-fast", "--no-tests=pass"]);
    let mut others = Vec::new();
    // Nextest refuses filters with names that do not exist.
    let tests = crate::root().join("crates/lehr/tests");
    for name in FETCHED_TESTS.iter().filter(|name| tests.join(format!("{name}.rs")).exists()) {
        others.push(format!("not binary({name})"));
    }
    if !others.is_empty() {
        command.args(["-E", &others.join(" & ")]);
    }
    let (status, output) = output_of(command.envs(environment));
    let tests = nextest_counts(&output).with_status(status);
    tests.plus(libtest(cargo_command(&["test", "--quiet", "--workspace", "--doc"]).envs(environment))).into()
}

fn documentation(_: &Environment) -> Report {
    let mut command = cargo_command(&["doc", "--quiet", "--no-deps", "--workspace"]);
    Counts::default().with_status(output_of(command.env("RUSTDOCFLAGS", "-Dwarnings")).0).or_pass()
}

/// One test binary of the facade over fetched data. `LEHR_ONNX_SUITE` and `LEHR_MODELS` of the caller win over
/// what would be fetched.
fn fetched_tests(environment: &Environment, binary: &str, packages: &[fetch::Package]) -> Report {
    let mut environment = environment.clone();
    let variable = if binary == "conformance" { "LEHR_ONNX_SUITE" } else { "LEHR_MODELS" };
    if std::env::var_os(variable).is_none() {
        let problems: Vec<String> =
            packages.iter().filter_map(|package| fetch::package(package).err()).collect();
        if !problems.is_empty() {
            return Report::failure(problems);
        }
        let folder = if binary == "conformance" { fetch::onnx_suite() } else { fetch::models() };
        environment.insert(variable, folder.display().to_string());
    }
    let mut command = cargo_command(&["test", "--package=lehr", "--test", binary, "--", "--nocapture"]);
    libtest(command.envs(&environment)).into()
}

/// Runs each of [`EXAMPLES`]; models are those of `LEHR_MODELS`, or fetched.
fn examples() -> Report {
    let folder = match std::env::var_os("LEHR_MODELS") {
        Some(folder) => PathBuf::from(folder),
        None => match fetch::MODELS.iter().try_for_each(fetch::package) {
            Ok(()) => fetch::models(),
            Err(problem) => return Report::failure(vec![problem]),
        },
    };
    let mut report = Report::default();
    for example in EXAMPLES {
        let arguments = example.arguments(&folder, &crate::root().join("target"));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (status, output) = output_of(&mut cargo_command(&arguments));
        let mut problems = example.problems(&output);
        if !status.is_some_and(|status| status.success()) {
            problems.push(format!("{} fails", example.name()));
        }
        report.counts = report.counts.plus(if problems.is_empty() { Counts::PASS } else { Counts::FAILURE });
        report.problems.extend(problems);
    }
    report
}

/// Skipped as one where the tools are not installed.
fn cross_tests() -> Report {
    if let Some(missing) = cross::missing() {
        println!("skipped: {missing}");
        return Counts { skipped: 1, ..Counts::default() }.into();
    }
    libtest(&mut cross::tests()).into()
}

/// Skipped as one where the compiler has no sanitizer.
fn sanitized_tests() -> Report {
    if !sanitize::available() {
        println!("skipped: the sanitizer is used on {} only", sanitize::TARGET);
        return Counts { skipped: 1, ..Counts::default() }.into();
    }
    libtest(&mut sanitize::tests()).into()
}

/// Runs libtest binaries and counts. Where they print totals of their own (`N passed, N failed, N skipped` alone
/// on a line), these count instead of the tests that hold them.
fn libtest(command: &mut Command) -> Counts {
    let (status, output) = output_of(command);
    let cases = output.lines().filter_map(case_counts).fold(Counts::default(), Counts::plus);
    let tests = output.lines().filter_map(libtest_counts).fold(Counts::default(), Counts::plus);
    let counts = if cases == Counts::default() { tests } else { cases };
    counts.with_status(status)
}

/// Runs a command, shows its output as it comes, and hands it back.
fn output_of(command: &mut Command) -> (Option<ExitStatus>, String) {
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            println!("cannot start {}: {error}", Path::new(command.get_program()).display());
            return (None, String::new());
        }
    };
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let texts = std::thread::scope(|scope| {
        let errors = scope.spawn(|| stderr.map(echo).unwrap_or_default());
        let text = stdout.map(echo).unwrap_or_default();
        text + &errors.join().unwrap_or_default()
    });
    (child.wait().ok(), texts)
}

fn echo(stream: impl Read) -> String {
    let mut text = String::new();
    for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// The counts of nextest's last line, without what it skipped: these are only the tests of [`FETCHED_TESTS`], which run
/// later. The line is `Summary [ 0.5s] 12 tests run: 9 passed (1 flaky), 2 failed, 1 timed out, 3 skipped`.
fn nextest_counts(output: &str) -> Counts {
    let summary = output.lines().rfind(|line| line.trim_start().starts_with("Summary ["));
    let Some((_, counts)) = summary.and_then(|line| line.split_once("run:")) else {
        return Counts::default();
    };
    let mut total = Counts::default();
    for part in counts.split(", ") {
        let mut words = part.split_whitespace();
        let number = words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        match words.next() {
            Some("passed") => total.passed += number,
            Some("failed" | "timed" | "exec") => total.failed += number,
            _ => {}
        }
    }
    total
}

/// `test result: ok. 5 passed; 0 failed; 1 ignored; …`
fn libtest_counts(line: &str) -> Option<Counts> {
    let rest = line.trim_start().strip_prefix("test result: ")?;
    let (_, rest) = rest.split_once(". ")?;
    let mut parts = rest.split("; ");
    Some(Counts {
        passed: labelled(parts.next(), "passed")?,
        failed: labelled(parts.next(), "failed")?,
        skipped: labelled(parts.next(), "ignored")?,
    })
}

/// `1700 passed, 3 failed, 12 skipped`
fn case_counts(line: &str) -> Option<Counts> {
    let mut parts = line.trim().split(", ");
    let counts = Counts {
        passed: labelled(parts.next(), "passed")?,
        failed: labelled(parts.next(), "failed")?,
        skipped: labelled(parts.next(), "skipped")?,
    };
    parts.next().is_none().then_some(counts)
}

fn labelled(part: Option<&str>, label: &str) -> Option<u64> {
    let (number, found) = part?.split_once(' ')?;
    (found == label).then_some(number.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_each_runner() {
        let counts = |passed, failed, skipped| Counts { passed, failed, skipped };
        let nextest = "noise\n     Summary [   0.5s] 13 tests run: 9 passed (1 flaky), 2 failed, 2 timed out, 3 skipped\n";
        assert_eq!(nextest_counts(nextest), counts(9, 4, 0));
        assert_eq!(nextest_counts("error: could not compile"), counts(0, 0, 0));
        let libtest = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s";
        assert_eq!(libtest_counts(libtest), Some(counts(5, 2, 1)));
        assert_eq!(libtest_counts("running 5 tests"), None);
        assert_eq!(case_counts("1700 passed, 3 failed, 12 skipped"), Some(counts(1700, 3, 12)));
        assert_eq!(case_counts("node: 1700 passed, 3 failed, 12 skipped"), None);
    }
}
