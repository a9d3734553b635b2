//! What is written reads back as the same computation.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lehr_formats::onnx::{WriteOptions, read_bytes, read_file, to_bytes, write_file};
use lehr_graph::{Datum, Graph, Origin, Shape, ValueType};
use lehr_ops::evaluate::Reference;
use lehr_ops::{add::Add, r#if::If, relu::Relu, swish::Swish, unsqueeze::Unsqueeze};
use lehr_tensor::{DataType, Tensor};

fn tensor(values: &[f32]) -> Tensor {
    Tensor::from_slice(&[values.len()], values).unwrap()
}

fn branch(bias: f32) -> Arc<Graph> {
    let mut g = Graph::new("branch");
    let x = g.add_capture("x", ValueType::tensor(DataType::F32, Shape::unknown(1)));
    let b = g.add_constant(tensor(&[bias]), Some("b"));
    let n = g.add_node(Arc::new(Add {}), vec![Some(x), Some(b)], 1, "", Origin::default()).unwrap();
    let y = g.node(n).outputs()[0];
    // The second output is the captured value itself.
    g.set_outputs(vec![y, x]);
    Arc::new(g)
}

/// `if c { (x + 1, x) } else { (x - 2, x) }`, a Relu, an Unsqueeze, and one value under two output names.
fn model() -> Graph {
    let mut g = Graph::new("model");
    let c = g.add_input("c", ValueType::tensor(DataType::Bool, Shape::unknown(0)));
    let x = g.add_input("x", ValueType::tensor(DataType::F32, Shape::unknown(1)));
    let r = g.add_node(Arc::new(Relu {}), vec![Some(x)], 1, "relu", Origin::default()).unwrap();
    let r = g.node(r).outputs()[0];
    let op = If { then_branch: branch(1.0), else_branch: branch(-2.0) };
    let n = g.add_node(Arc::new(op), vec![Some(c), Some(r)], 2, "if", Origin::default()).unwrap();
    let outputs = g.node(n).outputs().to_vec();
    let axes = g.add_constant(Tensor::vector(vec![0i64]), None);
    let u = g
        .add_node(Arc::new(Unsqueeze {}), vec![Some(outputs[0]), Some(axes)], 1, "", Origin::default())
        .unwrap();
    let u = g.node(u).outputs()[0];
    let names = ["u", "again", "kept", "x_out"].map(Arc::from).to_vec();
    g.set_named_outputs(vec![u, u, outputs[1], x], names);
    g.meta_mut().insert("author".into(), "nobody".into());
    g
}

fn run(graph: &Graph, condition: bool) -> Vec<Datum> {
    let feeds = vec![Some(Tensor::scalar(condition).into()), Some(tensor(&[-1.0, 2.0]).into())];
    Reference::default().run(graph, feeds).unwrap()
}

#[test]
fn every_writable_opset_reads_back() {
    let graph = model();
    for opset in 13..=28 {
        let bytes = to_bytes(&graph, &WriteOptions { opset: Some(opset), external_data: false }).unwrap();
        let read = read_bytes(bytes.into(), None).into_model().unwrap();
        assert_eq!(read.opsets[""], opset);
        assert_eq!(read.graph.meta(), graph.meta());
        let names: Vec<_> = (0..4).map(|i| read.graph.output_name(i)).collect();
        assert_eq!(names, ["u", "again", "kept", "x_out"]);
        for condition in [false, true] {
            assert_eq!(run(&read.graph, condition), run(&graph, condition), "opset {opset}");
        }
    }
    assert!(to_bytes(&graph, &WriteOptions { opset: Some(12), external_data: false }).is_err());
}

#[test]
fn formulas_are_written_for_older_runtimes_with_names_of_their_own() {
    let mut g = Graph::new("swish");
    let x = g.add_input("x", ValueType::tensor(DataType::F32, Shape::unknown(1)));
    let n = g.add_node(Arc::new(Swish { alpha: 1.0 }), vec![Some(x)], 1, "same", Origin::default()).unwrap();
    let y = g.node(n).outputs()[0];
    let n = g.add_node(Arc::new(Relu {}), vec![Some(y)], 1, "same", Origin::default()).unwrap();
    g.set_outputs(g.node(n).outputs().to_vec());
    let bytes = to_bytes(&g, &WriteOptions::default()).unwrap();
    let read = read_bytes(bytes.into(), None).into_model().unwrap();
    assert_eq!(read.opsets[""], 21, "Swish exists since 24, and is x · sigmoid(x)");
    assert_eq!(read.graph.n_nodes(), 3);
    let mut twice = Graph::new("twice");
    let x = twice.add_input("x", ValueType::tensor(DataType::F32, Shape::unknown(1)));
    let mut value = x;
    for _ in 0..2 {
        let n = twice.add_node(Arc::new(Relu {}), vec![Some(value)], 1, "same", Origin::default()).unwrap();
        value = twice.node(n).outputs()[0];
    }
    twice.set_outputs(vec![value]);
    let bytes = to_bytes(&twice, &WriteOptions::default()).unwrap();
    let read = read_bytes(bytes.into(), None).into_model().unwrap();
    let names: Vec<_> = read.graph.node_ids().map(|id| read.graph.node(id).name().to_owned()).collect();
    assert_eq!(names, ["same", "same_2"]);
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lehr-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn entries(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn external_data_lies_beside_the_model() {
    let folder = Folder::new("external-write");
    let mut graph = Graph::new("weights");
    let x = graph.add_input("x", ValueType::tensor(DataType::F32, Shape::unknown(1)));
    let w = graph.add_constant(Tensor::from_vec(&[1000], vec![0.25f32; 1000]).unwrap(), Some("w"));
    let n = graph.add_node(Arc::new(Add {}), vec![Some(x), Some(w)], 1, "", Origin::default()).unwrap();
    graph.set_outputs(graph.node(n).outputs().to_vec());
    let path = folder.0.join("m.onnx");
    let summary = write_file(&graph, &path, &WriteOptions { opset: None, external_data: true }).unwrap();
    assert_eq!(summary.external.as_ref().unwrap().1, 4000);
    assert_eq!(folder.entries(), ["m.onnx", "m.onnx.data"]);
    let read = read_file(&path).into_model().unwrap();
    let feed = || vec![Some(Datum::Tensor(tensor(&[1.0])))];
    assert_eq!(
        Reference::default().run(&read.graph, feed()).unwrap(),
        Reference::default().run(&graph, feed()).unwrap()
    );
    // The data file may not be swapped for one that is too short.
    std::fs::write(folder.0.join("m.onnx.data"), b"short").unwrap();
    assert!(read_file(&path).into_model().is_err());
}

#[test]
fn nothing_is_left_of_a_failed_write() {
    let folder = Folder::new("failed-write");
    assert!(
        write_file(&model(), Path::new("/proc/no/such/folder/m.onnx"), &WriteOptions::default()).is_err()
    );
    let target = folder.0.join("taken");
    std::fs::create_dir(&target).unwrap();
    assert!(write_file(&model(), &target, &WriteOptions::default()).is_err());
    assert_eq!(folder.entries(), ["taken"]);
}
