//! Small outcomes for tests.

use std::sync::Arc;

use lehr_graph::Graph;
use lehr_graph::dim::Assignment;
use lehr_graph::text::parse;
use lehr_ops::registry::Operators;
use lehr_pipeline::{Answers, Class, Color, Image, Item, Object, Pixels, Region, Segment};
use lehr_runtime::{NodeProfile, Profile};

use crate::deploy::{Example, Machine, Outcome, PassCount, Snapshot, Stage};
use crate::summary::Summary;

/// `y = relu(x + offset)`, its nodes called `name`.
pub fn tiny_graph(name: &str) -> Graph {
    let text = r#"graph "tiny" {
        input %x: f32[1,3]
        const %offset = f32[3] [1.0, 2.0, 3.0]
        %sum = Add(%x, %offset) name "sum"
        %y = Relu(%sum) name "ramp"
        output %y as "y"
    }"#;
    let mut graph = parse(text, &Operators).unwrap();
    for id in graph.node_ids().collect::<Vec<_>>() {
        graph.set_node_name(id, Arc::from(format!("{name}{}", id.index())));
    }
    graph
}

/// An outcome in which every text that comes from a model or a file is `text`.
pub fn outcome(text: &str) -> Outcome {
    let mut graph = tiny_graph(text);
    for id in graph.value_ids() {
        graph.set_value_name(id, Some(text));
    }
    let outputs = graph.outputs().to_vec();
    graph.set_named_outputs(outputs, vec![Arc::from(text)]);
    let summary = Summary::of(&graph, &Assignment::new());
    let snapshot = Snapshot { graph, summary };
    Outcome {
        name: text.to_owned(),
        model: text.into(),
        bundle: text.into(),
        producer: text.to_owned(),
        stages: vec![stage(text, 12, 2.0), stage(text, 8, 1.0)],
        before: snapshot.clone(),
        after: snapshot,
        passes: vec![
            PassCount { pass: text.to_owned(), edits: 3, nodes: -2, macs: -1000, ..PassCount::default() },
            PassCount { pass: text.to_owned(), ..PassCount::default() },
        ],
        profile: Profile { runs: 2, ms: 3.0, nodes: vec![node(text, 0, 2.0), node(text, 1, 1.0)] },
        segments: vec![(text.to_owned(), 1000), (text.to_owned(), 24)],
        examples: examples(text),
        machine: Machine { isa: text.to_owned(), threads: 1, version: text.to_owned() },
    }
}

fn stage(text: &str, nodes: usize, milliseconds: f64) -> Stage {
    Stage {
        name: text.to_owned(),
        note: text.to_owned(),
        seconds: 0.5,
        nodes: Some(nodes),
        milliseconds: Some(milliseconds),
        max_difference: Some(0.0),
        ..Stage::default()
    }
}

fn node(text: &str, index: usize, ms: f64) -> NodeProfile {
    NodeProfile {
        graph: String::new(),
        node: format!("{text}{index}"),
        op: text.to_owned(),
        kernel: if index == 0 { text.to_owned() } else { "reference".to_owned() },
        calls: 2,
        ms,
        bytes_written: 24,
        live_bytes: 24,
    }
}

fn examples(text: &str) -> Vec<Example> {
    let class = Class { index: 1, score: 0.9, label: Some(text.to_owned()) };
    let object = Object {
        region: Region::Box { x1: 1.0, y1: 1.0, x2: 3.0, y2: 2.0 },
        score: 0.5,
        class: Some(class.clone()),
        key_points: Vec::new(),
        mask: None,
        text: Some(text.to_owned()),
    };
    let picture = Image::new(4, 3, Color::Gray, Pixels::U8(vec![128; 12])).unwrap();
    let segment = Segment { start: 0.0, end: 1.5, score: Some(0.5), label: Some(text.to_owned()) };
    let json = serde_json::json!({text: text});
    let answers = vec![
        Item::Classes(vec![class]),
        Item::Objects(vec![object]),
        Item::Segments(vec![segment]),
        Item::Json(json),
    ];
    let example = |(index, item): (usize, Item)| Example {
        source: text.into(),
        picture: (index < 2).then(|| picture.clone()),
        answers: Answers(vec![(text.to_owned(), item.clone()), (text.to_owned(), item)]),
        expected: Some(text.to_owned()),
        correct: [Some(true), Some(false), None].get(index).copied().flatten(),
    };
    answers.into_iter().enumerate().map(example).collect()
}
