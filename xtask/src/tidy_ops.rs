//! The rules for operator files: each row `module::Type;` of an `operators!` list stands for one file or folder
//! which is whole.

use crate::tidy::Source;

/// What every operator's file or folder holds, in one of these spellings.
const DEMANDS: &[(&str, &[&str])] = &[
    (
        "a link to its specification",
        &["https://onnx.ai/", "https://github.com/", "https://uxlfoundation.github.io/"],
    ),
    ("inference (fn infer)", &["fn infer"]),
    ("a meaning (fn eval or fn decompose)", &["fn eval", "fn decompose"]),
    ("a test", &["#[test]"]),
];

/// Marks the files that declare an operator.
const DECLARATION: &str = "declare_op! {";

/// Where operators live, below the root.
const FOLDER: &str = "crates/ops/src/";

/// Adds what operator files lack.
pub fn check(sources: &[Source], problems: &mut Vec<String>) {
    let sources: Vec<&Source> = sources
        .iter()
        .filter(|source| source.path.starts_with(FOLDER) && source.path.ends_with(".rs"))
        .collect();
    let mut listed = Vec::new();
    for list in &sources {
        for module in modules(&list.text) {
            let folder = list.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let stem = format!("{folder}/{module}");
            operator(&stem, &sources, problems);
            listed.push(stem);
        }
    }
    for source in sources.iter().filter(|source| source.text.contains(DECLARATION)) {
        if !listed.iter().any(|stem| belongs(&source.path, stem)) {
            problems.push(format!("{}: declares an operator which no operators! list names", source.path));
        }
    }
}

fn operator(stem: &str, sources: &[&Source], problems: &mut Vec<String>) {
    let parts: Vec<&str> = sources
        .iter()
        .filter(|source| belongs(&source.path, stem))
        .map(|source| source.text.as_str())
        .collect();
    if parts.is_empty() {
        problems.push(format!("{stem}: listed, but has no file"));
        return;
    }
    for (what, spellings) in DEMANDS {
        if !parts.iter().any(|part| spellings.iter().any(|spelling| part.contains(spelling))) {
            problems.push(format!("{stem}: lacks {what}"));
        }
    }
}

/// Whether `path` is `stem.rs` or lies in the folder `stem`.
fn belongs(path: &str, stem: &str) -> bool {
    path.strip_prefix(stem).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// The modules named in the file's `operators!` lists.
fn modules(text: &str) -> impl Iterator<Item = &str> {
    let lists = text.split("operators! {\n").skip(1).filter_map(|rest| rest.split("\n}").next());
    lists.flat_map(str::lines).filter_map(|line| {
        let (module, _) = line.trim().split_once("::")?;
        Some(module.strip_prefix("r#").unwrap_or(module))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_whole_and_listed() {
        let source =
            |path: &str, text: &str| Source { path: format!("{FOLDER}{path}"), text: text.to_owned() };
        let whole = "//! <https://onnx.ai/x>\ndeclare_op! {\n} fn infer() fn eval() #[test]";
        let sources = [
            source(
                "lib.rs",
                "registry::operators! {\n    abs::Abs;\n    r#if::If cpu;\n    bare::Bare;\n    gone::Gone;\n}\n",
            ),
            source("abs.rs", whole),
            source("if/mod.rs", "//! <https://onnx.ai/x>\ndeclare_op! {\n} fn infer() fn decompose()"),
            source("if/tests.rs", "#[test]"),
            source("bare.rs", "declare_op! {"),
            source("stray.rs", whole),
        ];
        let mut problems = Vec::new();
        check(&sources, &mut problems);
        let expected = [
            "bare: lacks a link to its specification",
            "bare: lacks inference (fn infer)",
            "bare: lacks a meaning (fn eval or fn decompose)",
            "bare: lacks a test",
            "gone: listed, but has no file",
            "stray.rs: declares an operator which no operators! list names",
        ];
        assert_eq!(problems, expected.map(|line| format!("{FOLDER}{line}")));
    }
}
