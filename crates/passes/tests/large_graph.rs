//! Optimising takes time in proportion to the size of the graph.

use std::fmt::Write;
use std::time::{Duration, Instant};

use lehr_graph::{Graph, text};
use lehr_ops::registry::Operators;
use lehr_passes::{OptLevel, Options, pipeline};

/// Blocks of a residual network with what training leaves behind: scales, identities, transposes that cancel, shapes.
fn blocks(count: usize) -> Graph {
    let mut source = "graph { input %v0: f32[1,4,4,4]
        const %w = f32[4,4,1,1] [1,0,0,0, 0,1,0,0, 0,0,1,0, 0,0,0,1]
        const %k = f32[1,4,1,1] [1,2,3,4] const %half = f32[] [0.5]\n"
        .to_owned();
    for i in 0..count {
        let next = i + 1;
        writeln!(
            source,
            "%c{i} = Conv(%v{i}, %w) %s{i} = Mul(%c{i}, %k) %b{i} = Add(%s{i}, %k) %r{i} = Relu(%b{i})
            %t{i} = Transpose(%r{i}) {{perm = [0,2,3,1]}} %i{i} = Identity(%t{i}) %u{i} = Transpose(%i{i}) {{perm = [0,3,1,2]}}
            %n{i} = Shape(%u{i}) %g{i} = Reshape(%u{i}, %n{i}) %h{i} = Mul(%g{i}, %half) %v{next} = Add(%h{i}, %v{i})"
        )
        .expect("writing to a string");
    }
    writeln!(source, "output %v{count} }}").expect("writing to a string");
    text::parse(&source, &Operators).expect("the text is a graph")
}

fn time(count: usize) -> Duration {
    let mut graph = blocks(count);
    let start = Instant::now();
    let options = Options { verify: false, ..Options::default() };
    let report = pipeline(OptLevel::O2).run(&mut graph, &options).expect("the pipeline runs");
    assert!(report.totals.1.nodes < report.totals.0.nodes);
    println!("{:?}\n{report}", start.elapsed());
    start.elapsed()
}

#[test]
fn ten_thousand_nodes_take_seconds() {
    let (small, large) = (time(91), time(910));
    assert!(large < Duration::from_secs(30), "{large:?}");
    // Ten times as many nodes: quadratic work would take a hundred times as long.
    assert!(large < (small + Duration::from_millis(20)) * 40, "{small:?}, then {large:?}");
}
