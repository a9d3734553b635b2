use super::*;
use crate::check::Check;
use crate::manager::Options;
use crate::testing::{graph, text};

/// Weights of a convolution, as a text: small numbers that repeat.
fn weights(name: &str, shape: [usize; 4]) -> String {
    let len: usize = shape.iter().product();
    let numbers: Vec<String> = (0..len).map(|i| format!("{}", (i * 7 % 11) as f32 / 8.0 - 0.5)).collect();
    let [m, c, h, w] = shape;
    format!("const %{name} = f32[{m},{c},{h},{w}] [{}] ", numbers.join(", "))
}

/// The operators of a lowered graph in order; what it computes must stay.
#[track_caller]
fn lowered(body: &str) -> Vec<String> {
    let mut graph = graph(&format!("graph {{ {body} }}"));
    let check = Check { rtol: 1e-4, atol: 1e-4, ..Check::default() };
    let options = Options { verify: true, check: Some(check), ..Options::default() };
    let report = lowering().run(&mut graph, &options).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.unchecked, None, "{body}");
    let order = graph.topological_order().into_iter();
    order.map(|id| graph.node(id).op().full_name().replace("lehr::", "")).collect()
}

fn block(middle: &str) -> String {
    let (a, b) = (weights("a", [24, 16, 1, 1]), weights("b", [16, 24, 1, 1]));
    format!("input %x: f32[1,16,6,5] {a} {b} {middle} output %y")
}

#[test]
fn chains_of_convolutions_stay_in_blocks() {
    for (middle, inner) in [
        ("%g = Relu(%h)", vec![]),
        ("%g = HardSwish(%h)", vec![]),
        ("const %l = f32[] [0] const %u = f32[] [6] %g = Clip(%h, %l, %u)", vec![]),
        ("%g = Mish(%h)", vec!["Mish"]),
        (
            "const %c = f32[24,1,1] [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24] %g = Max(%h, %c)",
            vec!["Max"],
        ),
        ("const %c = f32[] [2] %g = Sub(%c, %h)", vec!["Sub"]),
        ("%m = GlobalAveragePool(%h) %s = Sigmoid(%m) %g = Mul(%h, %s)", vec!["ReduceMean", "Sigmoid"]),
        ("%g = MaxPool(%h) {kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]}", vec!["MaxPool"]),
        ("%g = AveragePool(%h) {kernel_shape = [2, 2]}", vec!["AveragePool"]),
        ("const %s = f32[4] [1, 1, 2, 2] %g = Resize(%h, _, %s)", vec!["Resize"]),
        (
            "const %f = i64[1] [8] const %t = i64[1] [16] const %i = i64[1] [1] %s = Slice(%h, %f, %t, %i) %g = Concat(%s, %x) {axis = 1}",
            vec!["Slice", "Concat"],
        ),
    ] {
        let body = block(&format!("%h = Conv(%x, %a) {middle} %y = Conv(%g, %b)"));
        let expected: Vec<&str> = ["ToBlocked", "BlockedConv"]
            .into_iter()
            .chain(inner)
            .chain(["BlockedConv", "FromBlocked"])
            .collect();
        let got = lowered(&body);
        assert_eq!(got, expected, "{middle}");
    }
}

#[test]
fn a_residual_and_the_function_behind_it_belong_to_the_convolution() {
    let w = weights("w", [16, 24, 3, 3]);
    let body = block(&format!(
        "{w} %h = Conv(%x, %a) %f = Relu(%h) %g = Conv(%f, %w) {{pads = [1, 1, 1, 1]}} %r = Add(%g, %x) %s = Relu(%r)
        %y = Conv(%s, %v)"
    ))
    .replace("%y = Conv(%s, %v)", "%t = Conv(%s, %a) %y = Conv(%t, %b)");
    let expected = ["ToBlocked", "BlockedConv", "BlockedConv", "BlockedConv", "BlockedConv", "FromBlocked"];
    let mut got = lowered(&body);
    got.sort();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(got, expected);
}

#[test]
fn channels_that_do_not_fill_blocks() {
    let (a, b) = (weights("a", [12, 3, 3, 3]), weights("b", [5, 12, 1, 1]));
    let d = weights("d", [12, 1, 3, 3]);
    let body = format!(
        "input %x: f32[2,3,7,9] {a} {b} {d} %h = Conv(%x, %a) {{strides = [2, 2]}}
        %g = Conv(%h, %d) {{group = 12, pads = [1, 1, 1, 1]}} %s = Sigmoid(%g) %y = Conv(%s, %b) output %y"
    );
    assert_eq!(lowered(&body), ["FirstConv", "BlockedConv", "BlockedConv", "FromBlocked"]);
}

/// Two units of a ShuffleNet, whose halves of 12 channels begin inside blocks.
#[test]
fn shuffled_channels_stay_in_blocks() {
    let (a, b, c) = (weights("a", [12, 24, 1, 1]), weights("b", [12, 12, 1, 1]), weights("c", [5, 12, 1, 1]));
    let shuffle = "const %s = i64[5] [1, 2, 12, 6, 5] const %t = i64[4] [1, 24, 6, 5]
        %j = Concat(%p, %q) {axis = 1} %k = Reshape(%j, %s) %l = Transpose(%k) {perm = [0, 2, 1, 3, 4]}
        %m = Reshape(%l, %t)";
    let again = shuffle.replace('%', "%z").replace("%zp", "%n").replace("%zq", "%w");
    let body = format!(
        "input %x: f32[1,24,6,5] {a} {b} {c} %p = Conv(%x, %a) %q = Conv(%p, %b) {shuffle}
        %n, %o = Split(%m) {{axis = 1, num_outputs = 2}} %v = Conv(%o, %b) %w = Relu(%v) {again}
        const %f = i64[1] [12] const %e = i64[1] [24] const %i = i64[1] [1] %h = Slice(%zm, %f, %e, %i)
        %y = Conv(%h, %c) output %y"
    );
    let mut got = lowered(&body);
    got.sort();
    let expected = ["BlockedConv"; 4].into_iter().chain(["FromBlocked", "Interleave", "Interleave"]);
    let expected: Vec<&str> = expected.chain(["Slice"; 3]).chain(["ToBlocked"]).collect();
    assert_eq!(got, expected);
}

#[test]
fn transposed_convolutions() {
    let (a, b) = (weights("a", [16, 12, 2, 2]), weights("b", [12, 3, 2, 2]));
    let body = format!(
        "input %x: f32[2,16,3,4] {a} {b} const %c = f32[3] [0.5, 1, 2]
        %h = ConvTranspose(%x, %a) {{strides = [2, 2]}} %g = Relu(%h)
        %y = ConvTranspose(%g, %b, %c) {{strides = [2, 2]}} output %y"
    );
    let expected = ["ToBlocked", "BlockedConvTranspose", "BlockedConv", "FromBlocked", "DepthToSpace"];
    assert_eq!(lowered(&body), expected);
}

#[test]
fn symbolic_sizes() {
    let body = block("%h = Conv(%x, %a) %m = GlobalAveragePool(%h) %g = Mul(%h, %m) %y = Conv(%g, %b)")
        .replace("f32[1,16,6,5]", "f32[N,16,H,W]");
    let mut graph = graph(&format!("graph {{ {body} }}"));
    lowering().run(&mut graph, &Options { verify: true, ..Options::default() }).unwrap();
    let text = text(&graph);
    assert_eq!(text.matches("BlockedConv").count(), 2, "{text}");
    assert_eq!(text.matches("Mul").count(), 0, "{text}");
    assert_eq!(text.matches("ToBlocked").count() + text.matches("FromBlocked").count(), 2, "{text}");
}

#[test]
fn what_it_must_not_touch() {
    let w = weights("w", [1, 1, 3, 3]);
    for body in [
        format!("input %x: f32[1,1,6,5] {w} %y = Conv(%x, %w) output %y"),
        "input %x: f64[1,1,6,5] const %w = f64[8,1,1,1] [1, 2, 3, 4, 5, 6, 7, 8] %y = Conv(%x, %w) output %y".into(),
        "input %x: f32[1,8,6,5] input %w: f32[8,8,1,1] %y = Conv(%x, %w) output %y".into(),
        "input %x: f32[1,8,6] const %w = f32[8,1,1] [1, 2, 3, 4, 5, 6, 7, 8] %y = Conv(%x, %w) {group = 8} output %y".into(),
    ] {
        assert_eq!(lowered(&body), ["Conv"]);
    }
    // Two channels to a group share no block.
    let w = weights("w", [8, 2, 1, 1]);
    assert_eq!(
        lowered(&format!("input %x: f32[1,8,6,5] {w} %y = Conv(%x, %w) {{group = 4}} output %y")),
        ["Conv"]
    );
}

#[test]
fn products_take_up_what_surrounds_them() {
    let constants = "const %w = f32[3,4] [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] const %t = f32[4,3] [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
        const %b = f32[4] [1, 2, 3, 4] const %s = i64[3] [1, 2, 4] const %d = i64[3] [2, 2, 2]
        const %i = i64[] [0] const %j = i64[] [-1] const %n = i64[2] [1, 3]";
    for (body, expected) in [
        ("%p = MatMul(%x, %w) %q = Add(%b, %p) %r = Add(%z, %q) %y = Gelu(%r) output %y", vec!["Linear"]),
        ("%p = MatMul(%x, %w) %y = Gelu(%p) {approximate = \"tanh\"} output %y", vec!["Linear"]),
        ("%y = Gemm(%x, %t, %b) {transB = 1} output %y", vec!["Linear"]),
        // A second reader, a factor, and a product of two variables.
        ("%p = MatMul(%x, %w) %y = Add(%p, %b) output %y output %p", vec!["Linear", "Add"]),
        ("%y = Gemm(%x, %t, %b) {transB = 1, alpha = 2.0} output %y", vec!["Gemm"]),
        ("%y = MatMul(%z, %t) output %y", vec!["Linear"]),
        ("%r = Transpose(%x) %y = MatMul(%x, %r) output %y", vec!["Transpose", "MatMul"]),
        // A change of shape in between, and columns that are read in parts.
        ("%p = Gemm(%x, %w, %b) %q = Reshape(%p, %s) %y = Add(%q, %v) output %y", vec!["Reshape", "Linear"]),
        (
            "%p = Gemm(%x, %w, %b) %q = Reshape(%p, %d) %y = Gather(%q, %i) {axis = 1} %u = Gather(%q, %j) {axis = -2} output %y output %u",
            vec!["Linear", "Linear"],
        ),
        (
            "%p = Gemm(%x, %t) {transB = 1} %y, %u = Split(%p, %n) {axis = -1} output %y output %u",
            vec!["Linear", "Linear"],
        ),
    ] {
        let inputs = "input %x: f32[2,3] input %z: f32[2,4] input %v: f32[1,2,4]";
        assert_eq!(lowered(&format!("{inputs} {constants} {body}")), expected, "{body}");
    }
}

#[test]
fn attention_reads_and_writes_packed_heads() {
    // As a text encoder spells it, with a symbolic number of positions, and as a vision encoder does, positions first.
    let heads = "const %h = i64[4] [2, -1, 2, 3] const %o = i64[3] [2, -1, 6] const %f = f32[] [0.5]";
    let text = format!(
        "input %x: f32[2,S,6] input %z: f32[2,S,6] input %m: f32[2,1,1,S] {heads}
        %q1 = Reshape(%x, %h) %q = Transpose(%q1) {{perm = [0, 2, 1, 3]}}
        %k1 = Reshape(%z, %h) %k = Transpose(%k1) {{perm = [0, 2, 3, 1]}}
        %v1 = Reshape(%z, %h) %v = Transpose(%v1) {{perm = [0, 2, 1, 3]}}
        %a = MatMul(%q, %k) %b = Mul(%a, %f) %c = Add(%b, %m) %p = Softmax(%c) {{axis = -1}} %w = MatMul(%p, %v)
        %t = Transpose(%w) {{perm = [0, 2, 1, 3]}} %y = Reshape(%t, %o) output %y"
    );
    assert_eq!(lowered(&text), ["Attention"]);
    let vision = "input %x: f32[5,1,6] input %z: f32[5,1,6] const %h = i64[3] [5, 2, 3] const %q4 = i64[4] [1, 2, 5, 3]
        const %k4 = i64[4] [1, 2, 3, 5] const %o = i64[2] [5, 6] const %f = f32[] [0.5]
        %q1 = Reshape(%x, %h) %q2 = Transpose(%q1) {perm = [1, 0, 2]} %q3 = Reshape(%q2, %q4) %q = Mul(%q3, %f)
        %k1 = Reshape(%z, %h) %k2 = Transpose(%k1) {perm = [1, 2, 0]} %k = Reshape(%k2, %k4)
        %v1 = Reshape(%z, %h) %v2 = Transpose(%v1) {perm = [1, 0, 2]} %v = Reshape(%v2, %q4)
        %a = MatMul(%q, %k) %p = Softmax(%a) {axis = -1} %w = MatMul(%p, %v)
        %t = Transpose(%w) {perm = [2, 0, 1, 3]} %y = Reshape(%t, %o) output %y";
    assert_eq!(lowered(vision), ["Reshape", "Reshape", "Attention", "Reshape"]);
    // Heads that come first stay so.
    let first = "input %q: f32[1,2,5,3] input %k: f32[1,2,5,3] const %f = f32[] [0.5] %t = Transpose(%k) {perm = [0, 1, 3, 2]}
        %a = MatMul(%q, %t) %p = Softmax(%a) {axis = -1} %y = MatMul(%p, %k) output %y";
    assert_eq!(lowered(first), ["Attention"]);
}
