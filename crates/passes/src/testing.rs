//! Texts before and after a pass, held to the reference interpreter.

use lehr_graph::Graph;
use lehr_graph::text::{Constants, PrintOptions, parse, print_with};
use lehr_ops::registry::Operators;

use crate::check::Check;
use crate::manager::{Options, PassManager, Report};
use crate::pass::Pass;

/// Reads a graph.
#[track_caller]
pub(crate) fn graph(text: &str) -> Graph {
    parse(text, &Operators).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The text of a graph without origins and without gaps.
pub(crate) fn text(graph: &Graph) -> String {
    print_with(&graph.compacted(), PrintOptions { constants: Constants::Full, origins: false })
}

/// Runs one pass with verification.
#[track_caller]
pub(crate) fn run_with(
    pass: impl Pass + 'static,
    before: &str,
    configure: impl FnOnce(&mut Options),
) -> (Graph, Report) {
    let mut graph = graph(before);
    let mut options = Options { verify: true, ..Options::default() };
    configure(&mut options);
    let report =
        PassManager::single(pass).run(&mut graph, &options).unwrap_or_else(|error| panic!("{error}"));
    (graph, report)
}

/// `pass` turns one text into the other and keeps what it computes.
#[track_caller]
pub(crate) fn assert_rewrites<P: Pass + 'static>(pass: impl Fn() -> P, before: &str, after: &str) {
    let exact = Check { rtol: 0.0, atol: 0.0, ..Check::default() };
    let (got, report) = run_with(pass(), before, |options| options.check = Some(exact));
    assert_eq!(report.unchecked, None, "{before}");
    assert_eq!(text(&got), text(&graph(after)), "{:?}", report.notes);
}

/// The text of a graph whose inner values have no names either.
fn anonymous(mut graph: Graph) -> String {
    let inner: Vec<_> = graph
        .value_ids()
        .filter(|id| !graph.inputs().contains(id) && !graph.outputs().contains(id))
        .collect();
    inner.into_iter().for_each(|id| graph.set_value_name(id, None));
    text(&graph)
}

/// `pass` turns one text into the other, but for names, and keeps what it computes, but for rounding.
#[track_caller]
pub(crate) fn assert_rewrites_within<P: Pass + 'static>(pass: impl Fn() -> P, before: &str, after: &str) {
    let (got, report) = run_with(pass(), before, |options| options.check = Some(Check::default()));
    assert_eq!(report.unchecked, None, "{before}");
    assert_eq!(anonymous(got), anonymous(graph(after)), "{:?}", report.notes);
}

/// `pass` leaves the text alone, with `reason` among its notes.
#[track_caller]
pub(crate) fn assert_unchanged<P: Pass + 'static>(pass: impl Fn() -> P, before: &str, reason: Option<&str>) {
    let (got, report) = run_with(pass(), before, |_| {});
    assert_eq!(text(&got), text(&graph(before)));
    if let Some(reason) = reason {
        assert!(report.notes.iter().any(|n| n.reason.contains(reason)), "{:?}", report.notes);
    }
}
