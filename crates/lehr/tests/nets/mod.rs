//! Two small models of symbolic sizes, lowered and compiled, and what they give by the reference evaluation.

use std::sync::Arc;

use lehr_graph::{Datum, Graph, text};
use lehr_ops::evaluate::Reference;
use lehr_ops::registry::Operators;
use lehr_passes::{Options, lowering};
use lehr_runtime::{CompileOptions, CompiledModel};
use lehr_tensor::Tensor;

/// Values in [-1, 1) that depend on the seed.
pub fn values(shape: &[usize], seed: usize) -> Tensor {
    let len: usize = shape.iter().product();
    let value = |i: usize| ((i * 7919 + seed * 104_729 + 13) % 2003) as f32 / 1001.5 - 1.0;
    Tensor::from_vec(shape, (0..len).map(value).collect()).unwrap()
}

/// Weights as a text: numbers of a size that keeps sums of `terms` of them below about one.
fn weights(name: &str, shape: &[usize], terms: usize) -> String {
    let scale = (3.0 / terms as f32).sqrt();
    let numbers = values(shape, name.len() + shape.len());
    let numbers: Vec<String> =
        numbers.as_slice::<f32>().unwrap().iter().map(|x| format!("{}", x * scale)).collect();
    let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("const %{name} = f32[{}] [{}]\n", sizes.join(","), numbers.join(", "))
}

/// Images `[N, 3, H, W]` to maps `[N, 7, H / 2, W / 2]`: a first convolution, a residual one, a depthwise one and a
/// squeeze-excite block.
pub fn maps() -> Graph {
    let mut body = String::from("input %x: f32[N,3,H,W]\n");
    for (name, shape) in [
        ("first", [20, 3, 3, 3]),
        ("same", [20, 20, 3, 3]),
        ("each", [20, 1, 3, 3]),
        ("few", [5, 20, 1, 1]),
        ("many", [20, 5, 1, 1]),
        ("last", [7, 20, 1, 1]),
    ] {
        body += &weights(name, &shape, shape[1..].iter().product());
    }
    body += "%a = Conv(%x, %first) {pads = [1, 1, 1, 1], strides = [2, 2]} %b = Relu(%a)
        %c = Conv(%b, %same) {pads = [1, 1, 1, 1]} %d = Add(%c, %b) %e = HardSwish(%d)
        %f = Conv(%e, %each) {pads = [1, 1, 1, 1], group = 20}
        %g = GlobalAveragePool(%f) %h = Conv(%g, %few) %i = Relu(%h) %j = Conv(%i, %many) %k = Sigmoid(%j)
        %l = Mul(%f, %k) %y = Conv(%l, %last) output %y";
    text::parse(&format!("graph {{ {body} }}"), &Operators).unwrap()
}

/// Positions `[2, S, 12]` to the same: two heads of attention, what went in added, and a layer of a perceptron.
pub fn attention() -> Graph {
    let mut body = String::from("input %x: f32[2,S,12]\n");
    for name in ["query", "key", "value", "outer", "inner"] {
        body += &weights(name, &[12, 12], 12);
    }
    body += "const %h = i64[4] [2, -1, 2, 6] const %o = i64[3] [2, -1, 12] const %s = f32[] [0.4]
        %q0 = MatMul(%x, %query) %q1 = Reshape(%q0, %h) %q = Transpose(%q1) {perm = [0, 2, 1, 3]}
        %k0 = MatMul(%x, %key) %k1 = Reshape(%k0, %h) %k = Transpose(%k1) {perm = [0, 2, 3, 1]}
        %v0 = MatMul(%x, %value) %v1 = Reshape(%v0, %h) %v = Transpose(%v1) {perm = [0, 2, 1, 3]}
        %a = MatMul(%q, %k) %b = Mul(%a, %s) %p = Softmax(%b) {axis = -1} %w = MatMul(%p, %v)
        %t = Transpose(%w) {perm = [0, 2, 1, 3]} %u = Reshape(%t, %o) %l = MatMul(%u, %outer) %r = Add(%l, %x)
        %m = MatMul(%r, %inner) %y = Gelu(%m) output %y";
    text::parse(&format!("graph {{ {body} }}"), &Operators).unwrap()
}

/// The lowered graph, compiled.
pub fn compiled(graph: &Graph, threads: usize) -> Arc<CompiledModel> {
    let mut graph = graph.clone();
    lowering().run(&mut graph, &Options::default()).unwrap();
    let options = CompileOptions { threads: Some(threads), ..CompileOptions::default() };
    Arc::new(CompiledModel::new(graph, options).unwrap())
}

/// Holds a result to the reference evaluation.
#[track_caller]
pub fn assert_right(graph: &Graph, x: &Tensor, got: &Datum) {
    let expected = Reference::default().run(graph, vec![Some(x.clone().into())]).unwrap();
    let (got, expected) = (got.as_tensor().unwrap(), expected[0].as_tensor().unwrap());
    assert_eq!(got.shape(), expected.shape());
    for (got, expected) in got.to_f64s().unwrap().into_iter().zip(expected.to_f64s().unwrap()) {
        assert!((got - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{got} instead of {expected}");
    }
}
