//! The repository's own rules, checked over its files and over `cargo metadata`.
//!
//! - Crates depend only on what the design's table allows ([`EDGES`]).
//! - No file is called by a name that says nothing, and none grows beyond [`MAX_LINES`] lines without its tests.
//! - Every library begins with docs that list its invariants; only `tensor` and `kernels` may use `unsafe`.
//! - Every operator file links to its specification, has inference, a meaning and a test, and is registered.
//! - Nothing mentions the machine it was written on or leaves work behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{Outcome, fetch};

/// Which workspace packages each package may depend on; `None` is any but the faces (`lehr-cli`).
/// Every package may use `lehr-testkit` in its tests.
const EDGES: &[(&str, Option<&[&str]>)] = &[
    ("lehr-tensor", Some(&[])),
    ("lehr-kernels", Some(&["lehr-tensor"])),
    ("lehr-graph", Some(&["lehr-tensor"])),
    ("lehr-ops", Some(&["lehr-tensor", "lehr-graph", "lehr-kernels"])),
    ("lehr-formats", Some(&["lehr-tensor", "lehr-graph", "lehr-ops"])),
    ("lehr-passes", Some(&["lehr-tensor", "lehr-graph", "lehr-ops", "lehr-kernels"])),
    ("lehr-bundle", Some(&["lehr-tensor"])),
    ("lehr-runtime", Some(&["lehr-tensor", "lehr-graph", "lehr-ops", "lehr-kernels", "lehr-bundle"])),
    (
        "lehr-compress",
        Some(&["lehr-tensor", "lehr-graph", "lehr-ops", "lehr-passes", "lehr-runtime", "lehr-pipeline"]),
    ),
    ("lehr-guard", Some(&["lehr-tensor", "lehr-bundle", "lehr-runtime", "lehr-kernels"])),
    ("lehr-protect", Some(&["lehr-tensor", "lehr-guard", "lehr-graph", "lehr-passes"])),
    ("lehr-pipeline", Some(&["lehr-tensor"])),
    ("lehr", None),
    ("lehr-cli", Some(&["lehr"])),
    ("lehr-server", Some(&["lehr"])),
    ("lehr-testkit", None),
    ("xtask", None),
    ("lehr-bench", None),
];

const FACES: &[&str] = &["lehr-cli", "lehr-server", "xtask"];

const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc"];

/// The most lines a source file may have before its test module.
const MAX_LINES: usize = 600;

const MAY_BE_UNSAFE: &[&str] = &["tensor", "kernels"];

/// Words that must not be in any text file, in halves so that this file may hold them.
const FORBIDDEN: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/tm", "p/"),
    ("/ho", "me/"),
    ("TO", "DO"),
    ("FIX", "ME"),
    ("todo", "!("),
    ("unimpl", "emented!("),
    ("#[ig", "nore"),
    ("should", "_panic"),
    ("allow(dead", "_code)"),
];

const TEXT_FILES: &[&str] = &["rs", "toml", "md", "py", "txt", "yml", "yaml", "json", "sh"];

/// Everything that breaks a rule, one line each.
pub fn problems() -> Vec<String> {
    let files = files(&crate::root());
    let sources: Vec<Source> = files.iter().filter_map(|path| Source::read(path)).collect();
    let mut problems = Vec::new();
    crate_edges(&mut problems);
    for path in &files {
        file_name(path, &mut problems);
    }
    for source in &sources {
        source.forbidden_words(&mut problems);
        source.length(&mut problems);
        source.crate_root(&mut problems);
    }
    crate::tidy_ops::check(&sources, &mut problems);
    problems
}

/// A text file of the repository.
pub struct Source {
    /// Path from the root of the repository, with forward slashes.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl Source {
    fn read(path: &Path) -> Option<Self> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if !TEXT_FILES.contains(&extension) {
            return None;
        }
        Some(Self { path: fetch::relative(path).replace('\\', "/"), text: fs::read_to_string(path).ok()? })
    }

    /// The lines before the test module.
    pub fn code(&self) -> &str {
        self.text.split_once("\n#[cfg(test)]\nmod ").map_or(&self.text, |(code, _)| code)
    }

    /// The crate's folder name and the path inside its `src`, for Rust files of the workspace's crates.
    pub fn in_crate(&self) -> Option<(&str, &str)> {
        if !self.path.ends_with(".rs") {
            return None;
        }
        let rest = self.path.strip_prefix("crates/").unwrap_or(&self.path);
        rest.split_once("/src/")
    }

    fn is_generated(&self) -> bool {
        self.text.lines().take(5).any(|line| line.contains("do not edit"))
    }

    fn forbidden_words(&self, problems: &mut Vec<String>) {
        for (number, line) in self.text.lines().enumerate() {
            for (head, tail) in FORBIDDEN {
                if line.split(head).skip(1).any(|rest| rest.starts_with(tail)) {
                    problems.push(format!("{}:{}: must not say {head}{tail}", self.path, number + 1));
                }
            }
        }
    }

    fn length(&self, problems: &mut Vec<String>) {
        if self.in_crate().is_none() || self.is_generated() || self.path.ends_with("/tests.rs") {
            return;
        }
        let lines = self.code().lines().count();
        if lines > MAX_LINES {
            problems.push(format!("{}: {lines} lines without tests, at most {MAX_LINES} allowed", self.path));
        }
    }

    fn crate_root(&self, problems: &mut Vec<String>) {
        let Some((name, "lib.rs" | "main.rs")) = self.in_crate() else { return };
        let docs: Vec<&str> = self.text.lines().take_while(|line| line.starts_with("//!")).collect();
        if docs.is_empty() {
            problems.push(format!("{}: must begin with //! docs", self.path));
        }
        if self.path.ends_with("/lib.rs") && !docs.iter().any(|line| line.contains("Invariants")) {
            problems.push(format!("{}: its docs must list the crate's Invariants", self.path));
        }
        if !MAY_BE_UNSAFE.contains(&name) && !self.text.contains("#![forbid(unsafe_code)]") {
            problems.push(format!("{}: must forbid unsafe_code", self.path));
        }
    }
}

fn file_name(path: &Path, problems: &mut Vec<String>) {
    let relative = fetch::relative(path);
    for part in Path::new(&relative).components() {
        let name = part.as_os_str().to_string_lossy();
        let stem = name.split('.').next().unwrap_or_default().to_lowercase();
        if EMPTY_NAMES.contains(&stem.as_str()) {
            problems.push(format!("{relative}: {stem} says nothing, name what it holds"));
        }
    }
}

/// Every file that belongs to the repository, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name == ".git" || name == "target" {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path);
            }
        }
    }
    found.into_iter().collect()
}

fn crate_edges(problems: &mut Vec<String>) {
    match metadata() {
        Ok(metadata) => problems.extend(edge_problems(&metadata)),
        Err(error) => problems.push(error),
    }
}

fn metadata() -> Outcome<Value> {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--format-version=1", "--no-deps", "--offline"]).current_dir(crate::root());
    let output = command.output().map_err(|error| format!("cannot run cargo metadata: {error}"))?;
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cannot read cargo metadata: {error}"))
}

/// The edges of `cargo metadata` that the table does not allow.
fn edge_problems(metadata: &Value) -> Vec<String> {
    let list =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut problems = Vec::new();
    for package in list(metadata, "packages") {
        let Some(name) = text(&package, "name") else { continue };
        let Some((_, allowed)) = EDGES.iter().find(|(known, _)| *known == name) else {
            problems.push(format!("{name}: not in the table of crates, say what it may depend on"));
            continue;
        };
        for dependency in list(&package, "dependencies") {
            let (Some(target), Some(_)) = (text(&dependency, "name"), text(&dependency, "path")) else {
                continue;
            };
            let in_tests = text(&dependency, "kind").is_some_and(|kind| kind == "dev");
            let fine = match allowed {
                Some(allowed) => allowed.contains(&target.as_str()),
                None => !FACES.contains(&target.as_str()),
            };
            let for_tests = in_tests && target == "lehr-testkit";
            if !(fine || for_tests) {
                problems.push(format!("{name}: must not depend on {target}"));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_held_to_the_table() {
        let dependency =
            |name: &str, kind: Option<&str>| serde_json::json!({"name": name, "path": "x", "kind": kind});
        let package = |name: &str, dependencies: &[Value]| serde_json::json!({"name": name, "dependencies": dependencies});
        let metadata = serde_json::json!({"packages": [
            package("lehr-graph", &[dependency("lehr-tensor", None), dependency("lehr-testkit", Some("dev"))]),
            package("lehr-tensor", &[dependency("lehr-graph", None), serde_json::json!({"name": "bytes"})]),
            package("lehr-passes", &[dependency("lehr-testkit", None)]),
            package("lehr-new", &[]),
        ]});
        assert_eq!(
            edge_problems(&metadata),
            [
                "lehr-tensor: must not depend on lehr-graph",
                "lehr-passes: must not depend on lehr-testkit",
                "lehr-new: not in the table of crates, say what it may depend on",
            ]
        );
    }

    #[test]
    fn sources_are_held_to_the_rules() {
        let long = "//! X\n".repeat(MAX_LINES + 1);
        let cases: &[(&str, &str, &[&str])] = &[
            ("crates/kernels/src/lib.rs", "//! Kernels.\n//! Invariants:\n", &[]),
            (
                "crates/graph/src/lib.rs",
                "pub mod x;\n",
                &[
                    "crates/graph/src/lib.rs: must begin with //! docs",
                    "crates/graph/src/lib.rs: its docs must list the crate's Invariants",
                    "crates/graph/src/lib.rs: must forbid unsafe_code",
                ],
            ),
            (
                "crates/graph/src/x.rs",
                &long,
                &["crates/graph/src/x.rs: 601 lines without tests, at most 600 allowed"],
            ),
            ("crates/graph/src/y.rs", &long.replacen('X', "do not edit", 1), &[]),
            ("crates/graph/src/z.rs", &format!("\n#[cfg(test)]\nmod tests {{\n{long}}}"), &[]),
            ("README.md", concat!("see /wo", "rk/x\n"), &[concat!("README.md:1: must not say /wo", "rk/")]),
        ];
        for (path, text, expected) in cases {
            let source = Source { path: (*path).to_owned(), text: (*text).to_owned() };
            let mut problems = Vec::new();
            source.forbidden_words(&mut problems);
            source.length(&mut problems);
            source.crate_root(&mut problems);
            assert_eq!(&problems, expected, "{path}");
        }
    }
}
