//! Graphs as converters from TensorFlow write them: channels last, and a Transpose on each side of every convolution.

use std::fmt::Write;

use lehr_graph::{Def, Graph, Use, ValueId};
use lehr_ops::transpose::Transpose;

use super::SearchLayout;
use crate::check::Check;
use crate::cost_model::Totals;
use crate::manager::{Options, PassManager, Report};
use crate::testing::{assert_rewrites, assert_unchanged, graph, run_with, text};

const TO_NCHW: &str = "{perm = [0, 3, 1, 2]}";
const TO_NHWC: &str = "{perm = [0, 2, 3, 1]}";

/// Writes a graph with channels last.
#[derive(Default)]
struct Model {
    text: String,
    count: usize,
}

impl Model {
    fn input(sizes: &str) -> Self {
        Self { text: format!("graph {{ input %x: f32[{sizes}]\n"), count: 0 }
    }

    fn node(&mut self, call: &str) -> String {
        self.count += 1;
        let name = format!("%v{}", self.count);
        writeln!(self.text, "{name} = {call}").unwrap();
        name
    }

    fn constant(&mut self, sizes: &[usize]) -> String {
        self.count += 1;
        let name = format!("%c{}", self.count);
        let len = sizes.iter().product();
        let numbers = (0..len).map(|i| ((i * 37 + self.count * 11) % 17) as f32 / 8.0 - 1.0);
        writeln!(self.text, "const {name} = f32{sizes:?} {:?}", numbers.collect::<Vec<_>>()).unwrap();
        name
    }

    fn ints(&mut self, numbers: &[i64]) -> String {
        self.count += 1;
        let name = format!("%i{}", self.count);
        writeln!(self.text, "const {name} = i64[{}] {numbers:?}", numbers.len()).unwrap();
        name
    }

    /// A convolution of 3 · 3 without bias, which follows behind it, between two Transposes.
    fn conv(&mut self, x: &str, channels: [usize; 2], groups: usize) -> String {
        let [from, to] = channels;
        let weights = self.constant(&[to, from / groups, 3, 3]);
        let x = self.node(&format!("Transpose({x}) {TO_NCHW}"));
        let y = self.node(&format!("Conv({x}, {weights}) {{pads = [1, 1, 1, 1], group = {groups}}}"));
        let y = self.node(&format!("Transpose({y}) {TO_NHWC}"));
        let bias = self.constant(&[to]);
        self.node(&format!("Add({y}, {bias})"))
    }

    fn output(mut self, value: &str) -> String {
        writeln!(self.text, "output {value} }}").unwrap();
        self.text
    }
}

fn transposes(graph: &Graph) -> usize {
    graph.node_ids().filter(|&id| graph.node(id).op().is::<Transpose>()).count()
}

/// Whether every Transpose stands at an input or an output of the graph.
fn are_outside(graph: &Graph) -> bool {
    let is_input = |value: Option<ValueId>| value.is_some_and(|v| matches!(graph.value(v).def(), Def::Input));
    let is_output = |value: ValueId| matches!(graph.value(value).uses(), [Use::Output(_)]);
    graph
        .node_ids()
        .map(|id| graph.node(id))
        .filter(|node| node.op().is::<Transpose>())
        .all(|node| is_input(node.input(0)) || node.outputs().iter().all(|&value| is_output(value)))
}

/// Searches; the result must be the same to the bit, cost no more, and be final.
#[track_caller]
fn search(before: &str) -> (Graph, Report) {
    let exact = Check { rtol: 0.0, atol: 0.0, ..Check::default() };
    let (mut after, report) = run_with(SearchLayout, before, |options| options.check = Some(exact));
    assert_eq!(report.unchecked, None, "{before}");
    assert!(Totals::of(&after).bytes <= Totals::of(&graph(before)).bytes, "{}", text(&after));
    let options = Options { verify: true, ..Options::default() };
    let again = PassManager::single(SearchLayout).run(&mut after, &options).unwrap();
    assert_eq!(again.edits, 0, "{}", text(&after));
    (after, report)
}

/// The Transposes left are at most one at the input and one at the output.
#[track_caller]
fn assert_transposes(before: &str, left: usize) {
    let (after, _) = search(before);
    assert!(transposes(&graph(before)) > left);
    assert_eq!(transposes(&after), left, "{}", text(&after));
    assert!(are_outside(&after), "{}", text(&after));
}

fn bottleneck(model: &mut Model, x: &str, channels: usize) -> String {
    let wide = 3 * channels;
    let (least, most) = (model.constant(&[]), model.constant(&[]));
    let y = model.conv(x, [channels, wide], 1);
    let y = model.node(&format!("Clip({y}, {least}, {most})"));
    let y = model.conv(&y, [wide, wide], wide);
    let y = model.node(&format!("HardSwish({y})"));
    let y = model.conv(&y, [wide, channels], 1);
    model.node(&format!("Add({y}, {x})"))
}

#[test]
fn residual_blocks_have_no_transposes_inside() {
    let mut model = Model::input("1,5,4,4");
    let y = bottleneck(&mut model, "%x", 4);
    let y = bottleneck(&mut model, &y, 4);
    assert_transposes(&model.output(&y), 2);
}

#[test]
fn batches_may_be_symbolic() {
    let mut model = Model::input("N,H,4,2");
    let y = bottleneck(&mut model, "%x", 2);
    assert_transposes(&model.output(&y), 2);
}

#[test]
fn concats_pads_and_slices_pass_orders_on() {
    let mut model = Model::input("1,4,4,2");
    let left = model.conv("%x", [2, 3], 1);
    let pads = model.ints(&[0, 1, 0, 0, 0, 1, 2, 0]);
    let padded = model.node(&format!("Pad({left}, {pads})"));
    let down = model.conv(&padded, [3, 3], 1);
    let [starts, ends, axes] = [&[1, 0], &[5, 4], &[1, 2]].map(|numbers| model.ints(numbers));
    let cropped = model.node(&format!("Slice({down}, {starts}, {ends}, {axes})"));
    let joined = model.node(&format!("Concat({cropped}, {left}) {{axis = 3}}"));
    let y = model.conv(&joined, [6, 2], 1);
    assert_transposes(&model.output(&y), 2);
}

#[test]
fn squeeze_and_excitation_stays_in_one_order() {
    let mut model = Model::input("1,4,5,3");
    let x = model.conv("%x", [3, 4], 1);
    let axes = model.ints(&[1, 2]);
    let mean = model.node(&format!("ReduceMean({x}, {axes})"));
    let squeezed = model.conv(&mean, [4, 2], 1);
    let squeezed = model.node(&format!("Relu({squeezed})"));
    let excited = model.conv(&squeezed, [2, 4], 1);
    let scale = model.node(&format!("Sigmoid({excited})"));
    let y = model.node(&format!("Mul({x}, {scale})"));
    let y = model.conv(&y, [4, 3], 1);
    assert_transposes(&model.output(&y), 2);
}

#[test]
fn heads_need_no_transpose_behind_a_mean() {
    let mut model = Model::input("1,4,5,3");
    let x = model.conv("%x", [3, 4], 1);
    let axes = model.ints(&[1, 2]);
    let mean = model.node(&format!("ReduceMean({x}, {axes}) {{keepdims = 0}}"));
    let weights = model.constant(&[4, 3]);
    let y = model.node(&format!("MatMul({mean}, {weights})"));
    let y = model.node(&format!("Softmax({y}) {{axis = -1}}"));
    assert_transposes(&model.output(&y), 1);
}

#[test]
fn softmax_of_every_place_takes_the_order_of_the_output() {
    let mut model = Model::input("1,4,5,3");
    let x = model.conv("%x", [3, 4], 1);
    let y = model.node(&format!("Softmax({x}) {{axis = -1}}"));
    let y = model.node(&format!("Relu({y})"));
    let (after, _) = search(&model.output(&y));
    assert_eq!(transposes(&after), 2, "{}", text(&after));
    assert!(are_outside(&after), "{}", text(&after));
}

#[test]
fn transposes_cancel_through_what_lies_between() {
    assert_rewrites(
        || SearchLayout,
        "graph { input %x: f32[2,3,4]
            const %c = f32[4] [1, 2, 3, 4]
            %a = Transpose(%x) {perm = [0, 2, 1]}
            %b = Sqrt(%a)
            %d = Transpose(%b) {perm = [0, 2, 1]}
            %e = Mul(%d, %c)
            output %e }",
        "graph { input %x: f32[2,3,4]
            const %c = f32[4] [1, 2, 3, 4]
            %d = Sqrt(%x)
            %e = Mul(%d, %c)
            output %e }",
    );
}

#[test]
fn reshapes_that_move_axes_of_size_1_pass_orders_on() {
    let (after, _) = search(
        "graph { input %x: f32[N,6,1,5]
            const %shape = i64[3] [-1, 5, 6]
            const %axes = i64[1] [2]
            %a = Transpose(%x) {perm = [0, 2, 3, 1]}
            %b = Reshape(%a, %shape)
            %c = Sqrt(%b)
            %d = ReduceMax(%c, %axes) {keepdims = 0}
            output %d }",
    );
    assert_eq!(transposes(&after), 0, "{}", text(&after));
}

#[test]
fn constants_are_permuted_beforehand() {
    assert_rewrites(
        || SearchLayout,
        "graph { input %x: f32[2,3]
            const %c = f32[3,2] [1, 2, 3, 4, 5, 6]
            %a = Transpose(%x) {perm = [1, 0]}
            %b = Sub(%a, %c)
            %y = Transpose(%b) {perm = [1, 0]}
            output %y }",
        "graph { input %x: f32[2,3]
            const %0 = f32[2,3] [1, 3, 5, 2, 4, 6]
            %y = Sub(%x, %0)
            output %y }",
    );
}

#[test]
fn a_transpose_goes_where_the_value_is_smallest() {
    let before = "graph { input %x: f32[8,9,10]
        const %axes = i64[1] [0]
        %a = Transpose(%x) {perm = [0, 2, 1]}
        %b = ReduceMax(%a, %axes)
        output %b }";
    let after = "graph { input %x: f32[8,9,10]
        const %0 = i64[1] [0]
        %1 = ReduceMax(%x, %0)
        %b = Transpose(%1) {perm = [0, 2, 1]}
        output %b }";
    assert_rewrites(|| SearchLayout, before, after);
}

#[test]
fn what_is_bound_to_its_order_keeps_its_transposes() {
    for node in ["MatMul(%a, %a)", "Reshape(%a, %shape)", "Transpose(%a) {perm = [2, 0, 1]}"] {
        let text = format!(
            "graph {{ input %x: f32[4,4,4] const %shape = i64[2] [16, 4]
                %a = Transpose(%x) {{perm = [0, 2, 1]}} %y = {node} output %a output %y }}"
        );
        assert_unchanged(|| SearchLayout, &text, None);
    }
}

#[test]
fn sums_are_not_reordered() {
    let text = "graph { input %x: f32[4,4,4] const %axes = i64[2] [1, 2]
        %a = Transpose(%x) {perm = [0, 2, 1]} %y = ReduceSum(%a, %axes) output %y }";
    assert_unchanged(|| SearchLayout, text, None);
}

#[test]
fn kept_values_stay() {
    let before = "graph { input %x: f32[2,3]
        %a = Transpose(%x) {perm = [1, 0]} %b = Sqrt(%a) %y = Transpose(%b) {perm = [1, 0]} output %y }";
    for kept in ["a", "b", "y"] {
        let (after, _) = run_with(SearchLayout, before, |options| {
            options.keep.insert(kept.into());
        });
        let names: Vec<_> = after.value_ids().filter_map(|id| after.value(id).name()).collect();
        assert!(names.contains(&kept), "{kept}: {}", text(&after));
    }
}

#[test]
fn no_edit_is_made_that_is_not_permitted() {
    let before = "graph { input %x: f32[2,3]
        %a = Transpose(%x) {perm = [1, 0]} %b = Sqrt(%a) %y = Transpose(%b) {perm = [1, 0]} output %y }";
    let (after, _) = run_with(SearchLayout, before, |options| options.max_edits = Some(0));
    assert_eq!(text(&after), text(&graph(before)));
}
