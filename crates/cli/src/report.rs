//! Findings for people and for programs.

use lehr::Diagnostic;
use lehr::graph::Severity;
use serde_json::{Value, json};

/// Prints all findings about a model on standard error, and how many there are.
pub fn print_diagnostics(model: &str, findings: &[Diagnostic]) {
    for finding in findings {
        eprintln!("{}", diagnostic_text(finding));
    }
    eprintln!("'{model}': {}", counts(findings));
}

/// One finding in up to three lines.
pub fn diagnostic_text(finding: &Diagnostic) -> String {
    let mut text = format!("{}[{}]: {}", finding.severity, finding.code.as_str(), finding.message);
    if let Some(node) = &finding.node {
        text += &format!("\n  node: '{}' ({}, opset {})", node.name, node.op, node.opset);
    }
    if let Some(help) = &finding.help {
        text += &format!("\n  help: {help}");
    }
    text
}

/// `2 errors, 1 warning`.
pub fn counts(findings: &[Diagnostic]) -> String {
    let of = |severity, word: &str| {
        let count = findings.iter().filter(|f| f.severity == severity).count();
        format!("{count} {word}{}", if count == 1 { "" } else { "s" })
    };
    format!("{}, {}", of(Severity::Error, "error"), of(Severity::Warning, "warning"))
}

/// One finding for programs.
pub fn diagnostic_json(finding: &Diagnostic) -> Value {
    let mut value = json!({
        "severity": finding.severity.to_string(),
        "code": finding.code.as_str(),
        "message": finding.message,
    });
    if let Some(node) = &finding.node {
        value["node"] = json!({"name": node.name, "operator": node.op, "opset": node.opset});
    }
    if let Some(help) = &finding.help {
        value["help"] = json!(help);
    }
    value
}
