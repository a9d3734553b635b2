//! Weights that are stored compressed stay compressed in every pipeline, however much folding is allowed.

use std::collections::BTreeMap;

use lehr_graph::{Graph, text};
use lehr_ops::registry::Operators;
use lehr_passes::{Check, OptLevel, Options, pipeline};

/// Forms in which exporters write the expansion of stored weights; `%w` is what is stored and `%d` the expanded weights.
const EXPANSIONS: [(&str, &str); 9] = [
    ("a cast and a scale", "%c = Cast(%w) {to = f32} %d = Mul(%c, %scale)"),
    ("a scale per row", "%c = Cast(%w) {to = f32} %d = Mul(%rows, %c)"),
    ("a zero point", "%c = Cast(%w) {to = f32} %z = Sub(%c, %scale) %d = Mul(%z, %scale)"),
    ("a whole zero point", "%c = Cast(%w) {to = f32} %z = Sub(%c, %three) %d = Mul(%z, %rows)"),
    ("an order behind", "%c = Cast(%w) {to = f32} %m = Mul(%c, %scale) %d = Transpose(%m)"),
    ("an order between", "%c = Cast(%w) {to = f32} %t = Transpose(%c) %d = Mul(%t, %scale)"),
    ("dequantization", "%d = DequantizeLinear(%w, %scale)"),
    ("dequantization per row", "%d = DequantizeLinear(%w, %each) {axis = 0}"),
    ("a codebook", "%c = Cast(%w) {to = i32} %d = Gather(%book, %c)"),
];

const READERS: [&str; 3] = ["%y = MatMul(%x, %d)", "%y = Add(%x, %d)", "%y = Gather(%d, %ids)"];

fn graph(expansion: &str, reader: &str) -> Graph {
    let source = format!(
        "graph {{ input %x: f32[32,32] input %ids: i64[5]
            const %w = u8[32,32] fill 3 const %scale = f32[] [0.5] const %three = f32[] [3]
            const %rows = f32[32,1] fill 0.25 const %each = f32[32] fill 0.25 const %book = f32[4] [0.5, 1.5, 2, 4]
            {expansion} {reader} output %y }}"
    );
    text::parse(&source, &Operators).unwrap_or_else(|error| panic!("{error}\n{source}"))
}

/// Constants that are read, by element type and size.
fn constants(graph: &Graph) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for id in graph.value_ids().filter(|&id| !graph.value(id).uses().is_empty()) {
        if let Some(tensor) = graph.constant(id) {
            let most: &mut usize = found.entry(tensor.dtype().to_string()).or_default();
            *most = tensor.len().max(*most);
        }
    }
    found
}

#[test]
fn stored_weights_are_never_expanded() {
    for (name, expansion) in EXPANSIONS {
        for (reader, level) in READERS.iter().flat_map(|&r| OptLevel::ALL.map(|level| (r, level))) {
            for fold_limit in [0, 1 << 20, usize::MAX] {
                let mut graph = graph(expansion, reader);
                let options =
                    Options { fold_limit, verify: true, check: Some(Check::default()), ..Options::default() };
                let report = pipeline(level).run(&mut graph, &options).expect("the pipeline runs");
                let constants = constants(&graph);
                let case = format!("{name}, {reader}, {level}, {fold_limit}: {constants:?}\n{report}");
                assert_eq!(constants.get("u8"), Some(&1024), "{case}");
                assert!(constants.get("f32").is_none_or(|&most| most <= 32), "{case}");
            }
        }
    }
}
