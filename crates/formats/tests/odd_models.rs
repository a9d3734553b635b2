//! Models as they occur in the wild and as attackers make them: what reads, and what is said about what does not.

use bytes::Bytes;
use lehr_formats::onnx::proto::attribute_proto::AttributeType;
use lehr_formats::onnx::proto::tensor_shape_proto::{Dimension, dimension};
use lehr_formats::onnx::proto::type_proto::{self, Value};
use lehr_formats::onnx::proto::*;
use lehr_formats::onnx::{Reading, read_bytes};
use lehr_graph::diagnostic::{Code, Severity};
use lehr_graph::{Datum, Flags};
use lehr_ops::evaluate::Reference;
use lehr_tensor::Tensor;
use prost::Message;

fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect();
    NodeProto { op_type: Some(op.into()), input: names(inputs), output: names(outputs), ..Default::default() }
}

fn named(name: &str, mut node: NodeProto) -> NodeProto {
    node.name = Some(name.into());
    node
}

fn graph_attribute(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        g: Some(graph),
        r#type: Some(AttributeType::Graph as i32),
        ..Default::default()
    }
}

fn value(name: &str, dtype: i32, dims: &[i64]) -> ValueInfoProto {
    let dim = dims
        .iter()
        .map(|&d| Dimension { value: Some(dimension::Value::DimValue(d)), ..Default::default() })
        .collect();
    let tensor = type_proto::Tensor { elem_type: Some(dtype), shape: Some(TensorShapeProto { dim }) };
    let ty = TypeProto { value: Some(Value::TensorType(tensor)), ..Default::default() };
    ValueInfoProto { name: Some(name.into()), r#type: Some(ty), ..Default::default() }
}

fn floats(name: &str, values: &[f32]) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        dims: vec![values.len() as i64],
        data_type: Some(1),
        float_data: values.to_vec(),
        ..Default::default()
    }
}

/// A graph from `x: f32[2]` to `y`.
fn graph(nodes: Vec<NodeProto>) -> GraphProto {
    GraphProto {
        node: nodes,
        name: Some("g".into()),
        input: vec![value("x", 1, &[2])],
        output: vec![value("y", 1, &[2])],
        ..Default::default()
    }
}

fn model(graph: GraphProto) -> ModelProto {
    let import = OperatorSetIdProto { domain: None, version: Some(17) };
    ModelProto { ir_version: Some(8), opset_import: vec![import], graph: Some(graph), ..Default::default() }
}

fn read(model: &ModelProto) -> Reading {
    read_bytes(model.encode_to_vec().into(), None)
}

fn run(model: &ModelProto, x: &[f32]) -> Vec<Vec<f64>> {
    let read = read(model).into_model().unwrap();
    let feeds = vec![Some(Datum::Tensor(Tensor::vector(x.to_vec())))];
    let outputs = Reference::default().run(&read.graph, feeds).unwrap();
    outputs.iter().map(|d| d.as_tensor().unwrap().to_f64s().unwrap()).collect()
}

fn findings(model: &ModelProto) -> Vec<(Code, Severity, String)> {
    read(model).diagnostics.iter().map(|d| (d.code, d.severity, d.to_string())).collect()
}

#[track_caller]
fn assert_says(model: &ModelProto, code: Code, parts: &[&str]) {
    let all = findings(model);
    let hit = all.iter().any(|(c, _, text)| *c == code && parts.iter().all(|p| text.contains(p)));
    assert!(hit, "expected {} with {parts:?} among {all:#?}", code.as_str());
}

#[test]
fn unsorted_nodes_are_sorted_with_a_warning() {
    let m = model(graph(vec![node("Relu", &["h"], &["y"]), node("Neg", &["x"], &["h"])]));
    assert_eq!(run(&m, &[-1.0, 2.0]), [[1.0, 0.0]]);
    assert_says(&m, Code::Unsorted, &["warning"]);
}

#[test]
fn circles_doubles_and_undefined_names_are_errors_with_names() {
    let circle = vec![named("a", node("Relu", &["q"], &["p"])), named("b", node("Neg", &["p"], &["q"]))];
    assert_says(&model(graph(circle)), Code::Cycle, &["'a'", "'b'"]);
    let itself = vec![named("me", node("Relu", &["y"], &["y"]))];
    assert_says(&model(graph(itself)), Code::Cycle, &["'me'"]);
    let twice = vec![named("a", node("Relu", &["x"], &["y"])), named("b", node("Neg", &["x"], &["y"]))];
    assert_says(&model(graph(twice)), Code::DuplicateValue, &["'b'", "'y'"]);
    let nowhere = vec![named("a", node("Add", &["x", "ghost"], &["y"]))];
    assert_says(&model(graph(nowhere)), Code::UndefinedValue, &["'a'", "'ghost'"]);
    assert_says(&model(graph(vec![])), Code::UndefinedValue, &["'y'"]);
}

#[test]
fn every_unknown_operator_is_reported_in_one_reading() {
    let names = ["Alpha", "Beta", "Gamma", "Delta", "Epsilon"];
    let nodes = names.iter().enumerate().map(|(i, op)| {
        let (from, to) = (if i == 0 { "x".to_owned() } else { format!("v{i}") }, format!("v{}", i + 1));
        named(&format!("node {op}"), node(op, &[&from], &[if i == 4 { "y" } else { &to }]))
    });
    let m = model(graph(nodes.collect()));
    for name in names {
        assert_says(&m, Code::UnknownOperator, &[&format!("node {name}"), name]);
    }
    let reading = read(&m);
    assert_eq!(reading.diagnostics.len(), 5);
    let model = reading.model.unwrap();
    assert!(model.graph.node_ids().all(|id| model.graph.node(id).op().flags().contains(Flags::OPAQUE)));
}

#[test]
fn wrong_inputs_name_the_node_and_what_was_expected() {
    let mut g = graph(vec![named("sum", node("Add", &["x", "w"], &["y"]))]);
    g.initializer.push(floats("w", &[1.0, 2.0, 3.0]));
    assert_says(&model(g), Code::BadInputs, &["'sum'", "2", "3"]);
    assert_says(
        &model(graph(vec![named("one", node("Add", &["x"], &["y"]))])),
        Code::BadInputs,
        &["'one'", "input 1"],
    );
    let cast = named("c", node("Cast", &["x"], &["y"]));
    assert_says(&model(graph(vec![cast])), Code::BadAttribute, &["'c'", "'to'"]);
}

#[test]
fn weights_of_the_wrong_length_are_named() {
    let mut g = graph(vec![node("Add", &["x", "w"], &["y"])]);
    g.initializer.push(TensorProto { dims: vec![3], ..floats("w", &[1.0]) });
    assert_says(&model(g), Code::BadConstant, &["'w'", "12", "4"]);
}

#[test]
fn external_data_needs_a_folder_and_stays_in_it() {
    let mut weight = floats("w", &[]);
    weight.dims = vec![1];
    weight.data_location = Some(1);
    let entry = |k: &str, v: &str| StringStringEntryProto { key: Some(k.into()), value: Some(v.into()) };
    weight.external_data = vec![entry("location", "../../etc/passwd")];
    let mut g = graph(vec![node("Add", &["x", "w"], &["y"])]);
    g.initializer.push(weight);
    let bytes = model(g).encode_to_vec();
    let escaped = read_bytes(bytes.clone().into(), Some(&std::env::temp_dir()));
    assert!(escaped.diagnostics[0].to_string().contains("leads out of the model's folder"));
    assert_eq!(read_bytes(bytes.into(), None).diagnostics[0].code, Code::ExternalData);
}

#[test]
fn wrong_declarations_give_way_to_inference() {
    let mut g = graph(vec![node("Relu", &["x"], &["h"]), node("Neg", &["h"], &["y"])]);
    g.value_info = vec![value("h", 1, &[7])];
    let m = model(g);
    assert_eq!(run(&m, &[-1.0, 2.0]), [[0.0, -2.0]]);
    assert_says(&m, Code::DeclaredTypeIgnored, &["'h'", "warning"]);
}

#[test]
fn sparse_weights_are_read_dense() {
    let mut g = graph(vec![node("Add", &["x", "w"], &["y"])]);
    g.sparse_initializer.push(SparseTensorProto {
        values: Some(floats("w", &[5.0])),
        indices: Some(TensorProto {
            dims: vec![1],
            data_type: Some(7),
            int64_data: vec![1],
            ..Default::default()
        }),
        dims: vec![2],
    });
    assert_eq!(run(&model(g), &[1.0, 1.0]), [[1.0, 6.0]]);
}

#[test]
fn subgraphs_see_outer_values_through_two_levels() {
    let inner = GraphProto {
        node: vec![node("Add", &["x", "outer"], &["i"])],
        output: vec![value("i", 1, &[2])],
        name: Some("inner".into()),
        ..Default::default()
    };
    let deep = |name: &str| {
        let mut choice = node("If", &["c"], &[name]);
        choice.attribute = vec![
            graph_attribute("then_branch", inner.clone()),
            graph_attribute("else_branch", inner.clone()),
        ];
        GraphProto { node: vec![choice], output: vec![value(name, 1, &[2])], ..Default::default() }
    };
    let mut choice = node("If", &["c"], &["y"]);
    choice.attribute =
        vec![graph_attribute("then_branch", deep("t")), graph_attribute("else_branch", deep("e"))];
    let mut g = graph(vec![node("Neg", &["x"], &["outer"]), choice]);
    g.initializer.push(TensorProto {
        name: Some("c".into()),
        data_type: Some(9),
        int32_data: vec![1],
        ..Default::default()
    });
    assert_eq!(run(&model(g), &[3.0, -4.0]), [[0.0, 0.0]]);
}

fn function(name: &str, inputs: &[&str], nodes: Vec<NodeProto>) -> FunctionProto {
    FunctionProto {
        name: Some(name.into()),
        domain: Some("local".into()),
        input: inputs.iter().map(|i| (*i).into()).collect(),
        output: vec!["out".into()],
        node: nodes,
        opset_import: vec![OperatorSetIdProto { domain: None, version: Some(17) }],
        ..Default::default()
    }
}

fn call(name: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto { domain: Some("local".into()), ..node(name, inputs, &[output]) }
}

#[test]
fn functions_are_expanded_with_their_attributes_and_absent_inputs() {
    let mut leaky = node("LeakyRelu", &["a"], &["l"]);
    leaky.attribute.push(AttributeProto {
        name: Some("alpha".into()),
        ref_attr_name: Some("slope".into()),
        r#type: Some(AttributeType::Float as i32),
        ..Default::default()
    });
    let body = vec![leaky, node("Clip", &["l", "low"], &["out"])];
    let mut f = function("F", &["a", "low"], body);
    f.attribute.push("slope".into());
    let mut with_slope = call("F", &["x"], "h");
    with_slope.attribute.push(AttributeProto {
        name: Some("slope".into()),
        f: Some(0.5),
        r#type: Some(AttributeType::Float as i32),
        ..Default::default()
    });
    let outer = function("G", &["a"], vec![call("F", &["a"], "inner"), node("Neg", &["inner"], &["out"])]);
    let mut m = model(graph(vec![with_slope, call("G", &["h"], "y")]));
    m.functions = vec![f, outer];
    // -2 → ·0.5 → -1 → ·0.01 (the default) → -0.01 → negated.
    let y = run(&m, &[-2.0, 4.0]);
    assert!((y[0][0] - 0.01).abs() < 1e-8 && y[0][1] == -4.0, "{y:?}");
}

#[test]
fn functions_may_not_call_themselves_nor_explode() {
    let mut m = model(graph(vec![call("F", &["x"], "y")]));
    m.functions = vec![
        function("F", &["a"], vec![call("G", &["a"], "out")]),
        function("G", &["a"], vec![call("F", &["a"], "out")]),
    ];
    assert_says(&m, Code::RecursiveFunction, &["'F'"]);
    // Forty levels that call the next one twice would be 2^40 nodes.
    let mut doubling = model(graph(vec![call("F0", &["x"], "y")]));
    doubling.functions = (0..40)
        .map(|level| {
            let next = format!("F{}", level + 1);
            function(&format!("F{level}"), &["a"], vec![call(&next, &["a"], "b"), call(&next, &["b"], "out")])
        })
        .collect();
    doubling.functions.push(function("F40", &["a"], vec![node("Neg", &["a"], &["out"])]));
    assert_says(&doubling, Code::Limit, &["nodes"]);
}

#[test]
fn deep_nesting_and_truncation_are_refused_without_a_crash() {
    let mut g = graph(vec![node("Relu", &["x"], &["y"])]);
    for _ in 0..200 {
        let mut choice = node("If", &["x"], &["y"]);
        choice.attribute.push(graph_attribute("then_branch", g));
        g = GraphProto { node: vec![choice], ..graph(vec![]) };
    }
    assert_says(&model(g), Code::Malformed, &["recursion"]);
    let whole = model(graph(vec![node("Relu", &["x"], &["y"])])).encode_to_vec();
    for length in 0..whole.len() {
        let _ = read_bytes(Bytes::copy_from_slice(&whole[..length]), None);
    }
    assert_eq!(read_bytes(Bytes::from_static(b"not a model"), None).diagnostics[0].code, Code::Malformed);
    assert_eq!(read_bytes(Bytes::new(), None).diagnostics[0].code, Code::Malformed);
}
