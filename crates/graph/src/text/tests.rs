use super::*;
use crate::dim::Dim;
use crate::graph::Graph;
use crate::testing::{TestOps, f32_type, rich_graph};

#[test]
fn full_text_reads_back_equal() {
    let graph = rich_graph();
    let text = print_full(&graph);
    let back = parse(&text, &TestOps).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(print_full(&back), text);
    assert!(back == graph, "{text}");
    assert_eq!(crate::verify(&back, crate::verify::Level::Wellformed), Ok(()));
}

#[test]
fn dumps_leave_large_contents_out() {
    let text = print(&rich_graph());
    assert!(text.contains("f32[70,2] #"), "{text}");
    let error = parse(&text, &TestOps).unwrap_err();
    assert!(error.message.contains("left out"), "{error}");
}

#[test]
fn leaves_out_what_inference_knows() {
    let text = r#"graph { // by hand
        input %x: f32[N,3]
        const %w = f32[3] [1, 2.5, -3]
        %y, %z: f32[..] = Every(%x, _, %w) {int = true, ints = [1, 2], floats = [1, 0.5], ty = type i64[2]{N,3}}
        output %y as "out"
    }"#;
    let graph = parse(text, &TestOps).unwrap();
    let y = graph.outputs()[0];
    assert_eq!(*graph.value(y).ty(), f32_type(&[Dim::symbol("N"), Dim::Fixed(3)]));
    assert_eq!(graph.output_name(0), "out");
    let expected = r#"graph "" {
  input %x: f32[N,3]
  const %w = f32[3] [1.0, 2.5, -3.0]
  %y: f32[N,3], %z: f32[..] = Every(%x, _, %w) {int = 1, ints = [1, 2], floats = [1.0, 0.5], ty = type i64[2]{N,3}}
  output %y as "out"
}
"#;
    assert_eq!(print(&graph), expected);
}

#[test]
fn errors_say_where() {
    for (text, place, part) in [
        ("", (1, 1), "expected 'graph'"),
        ("graph {", (1, 8), "expected a statement or '}', got the end"),
        ("graph {\n  output %x }", (2, 10), "value %x is not defined"),
        ("graph {\n input %ü: f32[2]\n}", (2, 9), "expected a name or number"),
        ("graph { input %x: f33[2] }", (1, 19), "expected a type, got 'f33'"),
        ("graph { input %x: f32[2 }", (1, 25), "expected"),
        ("graph { input %x: f32[2]{1} }", (1, 28), "1 values, expected 2"),
        ("graph { input %x input %x }", (1, 24), "defined twice"),
        ("graph { %y = Nope() }", (1, 14), "operator Nope is not known"),
        ("graph { %y = Every() {axs = 1} }", (1, 14), "Every has no attribute 'axs'"),
        ("graph { %y = Every() {int = 0.5} }", (1, 14), "expected an integer, got float"),
        ("graph { input %a: f32[2] input %b: f32[3] %y = Every(%a, %b) }", (1, 48), "2"),
        ("graph { const %c = f32[2] [1] }", (1, 30), "1"),
        ("graph { const %c = i8[1] [300] }", (1, 30), "expected an integer of type i8"),
        ("graph { const %c = f32[1000000,1000000] fill 0 }", (1, 45), "filled bytes"),
        ("graph { const %c = f32[18446744073709551615,8] [] }", (1, 50), "more elements than memory"),
        ("graph { meta \"a", (1, 15), "end of the string"),
    ] {
        let error = parse(text, &TestOps).unwrap_err();
        assert!(error.message.contains(part), "{text}: {error}");
        assert_eq!((error.line, error.column), place, "{text}: {error}");
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = "graph { %y = test.domain::Nest() {body = ".repeat(100_000);
    assert!(parse(&deep, &TestOps).unwrap_err().message.contains("nested graphs"));
    let deep = format!("graph {{ input %x: {}", "seq<".repeat(100_000));
    assert!(parse(&deep, &TestOps).unwrap_err().message.contains("nested types"));
}

/// Every prefix and every text with one character changed or dropped gives a graph or an error, never a panic.
#[test]
fn damaged_text_never_panics() {
    let mut graph = rich_graph();
    graph = parse(&print_full(&graph), &TestOps).unwrap();
    let chars: Vec<char> = print_full(&graph).chars().collect();
    let garbage = ['"', '}', '{', '%', '9', '-', '(', '\\', '\u{fc}'];
    for at in 0..chars.len() {
        let step = if at % 7 == 0 { 0 } else { at % garbage.len() };
        let mut damaged = chars.clone();
        match at % 3 {
            0 => damaged.truncate(at),
            1 => damaged[at] = garbage[step],
            _ => drop(damaged.remove(at)),
        }
        let _: Result<Graph, _> = parse(&damaged.into_iter().collect::<String>(), &TestOps);
    }
}
