//! Patterns on small graphs.

use lehr_graph::{Graph, NodeId};
use lehr_ops::{add::Add, erf::Erf, mul::Mul, relu::Relu, sigmoid::Sigmoid, transpose::Transpose};

use super::*;
use crate::rewrite::Reject;
use crate::testing::graph;

fn last(graph: &Graph) -> NodeId {
    graph.producer(graph.outputs()[0]).unwrap()
}

fn matches(pattern: &Pattern, text: &str) -> Result<Match, Reject> {
    let graph = graph(text);
    pattern.match_node(&graph, last(&graph))
}

/// `0.5 · x · (1 + erf(x / √2))`
fn gelu() -> Pattern {
    let erf = op::<Erf>([either([any("x") / scalar(2f64.sqrt()), any("x") * scalar(0.5f64.sqrt())])]);
    product([any("x"), scalar(0.5), scalar(1.0) + erf])
}

#[test]
fn all_spellings_of_a_formula_match() {
    let spellings = [
        "%d = Div(%x, %root) %e = Erf(%d) %f = Add(%e, %one) %g = Mul(%x, %f) %y = Mul(%g, %half)",
        "%d = Div(%x, %root) %e = Erf(%d) %f = Add(%one, %e) %g = Mul(%half, %f) %y = Mul(%x, %g)",
        "%h = Mul(%x, %half) %d = Mul(%inverse, %x) %e = Erf(%d) %f = Add(%e, %one) %y = Mul(%h, %f)",
        "%h = Mul(%half, %x) %d = Mul(%x, %inverse) %e = Erf(%d) %f = Add(%one, %e) %y = Mul(%f, %h)",
    ];
    for spelling in spellings {
        let text = format!(
            "graph {{ input %x: f32[2,3]
                const %half = f32[1] [0.5] const %one = f32[] [1] const %root = f32[] [1.4142135] const %inverse = f32[] [0.70710677]
                {spelling} output %y }}"
        );
        let found = matches(&gelu(), &text).unwrap_or_else(|_| panic!("{spelling}"));
        assert_eq!(found.nodes().count(), 5, "{spelling}");
    }
}

#[test]
fn a_name_means_one_value() {
    let silu = any("x") * op::<Sigmoid>([any("x")]);
    assert!(matches(&silu, "graph { input %x: f32[2] %s = Sigmoid(%x) %y = Mul(%s, %x) output %y }").is_ok());
    let other = "graph { input %x: f32[2] input %z: f32[2] %s = Sigmoid(%x) %y = Mul(%s, %z) output %y }";
    assert_eq!(matches(&silu, other), Err(Reject::NoEffect));
    let twice = constant("k") * (any("x") + constant("k"));
    let equal = "graph { input %x: f32[2] const %k = f32[] [2] const %l = f32[] [2]
        %s = Add(%x, %k) %y = Mul(%s, %l) output %y }";
    assert!(matches(&twice, equal).is_ok());
}

#[test]
fn what_is_read_elsewhere_is_not_inside() {
    let text = "graph { input %x: f32[2,3] %a = Transpose(%x) %b = Transpose(%a) output %b output %a }";
    let inner = |shared: bool| {
        let inner = op::<Transpose>([any("x")]);
        op::<Transpose>([if shared { inner.shared() } else { inner }])
    };
    let because = Reject::because("value 'a' inside is also read elsewhere");
    assert_eq!(matches(&inner(false), text), Err(because));
    assert!(matches(&inner(true), text).is_ok());
}

#[test]
fn numbers_match_within_their_type() {
    let half = any("x") * scalar(0.1);
    let text = |ty: &str, number: &str| {
        format!(
            "graph {{ input %x: {ty}[2] const %k = {ty}[2] [{number}, {number}] %y = Mul(%x, %k) output %y }}"
        )
    };
    assert!(matches(&half, &text("f16", "0.09997559")).is_ok());
    assert!(matches(&half, &text("f32", "0.1")).is_ok());
    assert_eq!(matches(&half, &text("f32", "0.1001")), Err(Reject::NoEffect));
    let differ = "graph { input %x: f32[2] const %k = f32[2] [0.1, 0.2] %y = Mul(%x, %k) output %y }";
    assert_eq!(matches(&half, differ), Err(Reject::NoEffect));
}

#[test]
fn wrong_choices_are_taken_back() {
    // Both operands of the product look like the sum at first.
    let pattern = (any("a") + constant("k")) * op::<Relu>([any("b") + any("a")]);
    let text = "graph { input %x: f32[2] input %z: f32[2] const %k = f32[] [1]
        %s = Add(%x, %z) %r = Relu(%s) %t = Add(%k, %z) %y = Mul(%r, %t) output %y }";
    let graph = graph(text);
    let found = pattern.match_node(&graph, last(&graph)).unwrap();
    assert_eq!(found.value("a"), graph.inputs()[1]);
    assert_eq!(found.value("b"), graph.inputs()[0]);
}

#[test]
fn inputs_beyond_the_given_ones_must_be_allowed() {
    let text = "graph { input %x: f32[2] input %lo: f32[] %y = Clip(%x, %lo) output %y }";
    let clip = || op::<lehr_ops::clip::Clip>([any("x")]);
    assert_eq!(matches(&clip(), text), Err(Reject::NoEffect));
    assert!(matches(&clip().and_more(), text).is_ok());
    assert_eq!(matches(&op::<Add>([any("x"), any("y")]), text), Err(Reject::NoEffect));
    assert_eq!(matches(&op::<Mul>([any("x")]), text), Err(Reject::NoEffect));
}
