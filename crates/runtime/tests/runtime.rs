//! Compiled graphs against the reference interpreter, and what a session promises.

use std::sync::Arc;
use std::time::Instant;

use lehr_graph::{Datum, Dim, Graph, OpRef, Origin, Shape, ValueId, ValueType};
use lehr_ops::evaluate::Reference;
use lehr_ops::{abs::Abs, add::Add, r#if::If, relu::Relu};
use lehr_runtime::{
    CancelToken, CompileError, CompileOptions, CompiledModel, Feeds, Keep, RunError, Session, keep_values,
};
use lehr_tensor::{DataType, Tensor};

fn f32s(shape: &[usize], seed: u32) -> Tensor {
    let len = shape.iter().product::<usize>();
    let values =
        (0..len as u32).map(|i| ((i.wrapping_mul(2_654_435_761) ^ seed) % 2001) as f32 / 1000.0 - 1.0);
    Tensor::from_vec(shape, values.collect()).unwrap()
}

fn node(graph: &mut Graph, op: impl lehr_graph::Op, inputs: &[ValueId], name: &str) -> ValueId {
    let op: OpRef = Arc::new(op);
    let inputs = inputs.iter().copied().map(Some).collect();
    let id = graph.add_node(op, inputs, 1, name, Origin::default()).unwrap();
    let value = graph.node(id).outputs()[0];
    graph.set_value_name(value, Some(&format!("{name}.out")));
    value
}

/// y = relu(x + w) + |x|, z = if(flag) { relu(y) } else { y + w }
fn sample() -> Graph {
    let mut graph = Graph::new("sample");
    let ty = ValueType::tensor(DataType::F32, Shape::from([Dim::symbol("N"), Dim::Fixed(512)]));
    let x = graph.add_input("x", ty.clone());
    let flag = graph.add_input("flag", ValueType::tensor(DataType::Bool, Shape::new()));
    let w = graph.add_constant(f32s(&[512], 7), Some("w"));
    let sum = node(&mut graph, Add {}, &[x, w], "sum");
    let positive = node(&mut graph, Relu {}, &[sum], "positive");
    let size = node(&mut graph, Abs {}, &[x], "size");
    let y = node(&mut graph, Add {}, &[positive, size], "y");
    let branch = |negate: bool| {
        let mut inner = Graph::new(if negate { "no" } else { "yes" });
        let y = inner.add_capture("y", ty.clone());
        let w = inner.add_constant(f32s(&[512], 9), Some("w"));
        let out = if negate {
            node(&mut inner, Add {}, &[y, w], "plus")
        } else {
            node(&mut inner, Relu {}, &[y], "relu")
        };
        inner.set_outputs(vec![out]);
        Arc::new(inner)
    };
    let z = node(&mut graph, If { then_branch: branch(false), else_branch: branch(true) }, &[flag, y], "z");
    graph.set_named_outputs(vec![y, z], vec!["y".into(), "z".into()]);
    graph
}

fn inputs(n: usize, flag: bool) -> Vec<Datum> {
    vec![f32s(&[n, 512], 3).into(), Tensor::scalar(flag).into()]
}

fn session(options: CompileOptions) -> Session {
    Session::new(Arc::new(CompiledModel::new(sample(), options).unwrap()))
}

#[test]
fn runs_agree_with_the_reference_on_every_thread_count_and_again() {
    for flag in [true, false] {
        // Large enough to be split between threads, with an uneven rest.
        let fed = inputs(301, flag);
        let expected = Reference::default().run(&sample(), fed.iter().cloned().map(Some).collect()).unwrap();
        for (threads, kernels) in [(1, true), (2, true), (5, true), (1, false)] {
            let mut session =
                session(CompileOptions { threads: Some(threads), kernels, ..Default::default() });
            for _ in 0..3 {
                let outputs = session.run(fed.clone()).unwrap();
                assert_eq!(outputs.into_values(), expected, "{threads} threads");
            }
        }
    }
}

#[test]
fn sessions_share_a_model_across_threads() {
    let model = Arc::new(CompiledModel::new(sample(), CompileOptions::default()).unwrap());
    let run = |model: &Arc<CompiledModel>| {
        Session::new(Arc::clone(model)).run(inputs(3, true)).unwrap().into_values()
    };
    let expected = run(&model);
    std::thread::scope(|scope| {
        let others: Vec<_> = (0..3).map(|_| scope.spawn(|| run(&model))).collect();
        others.into_iter().for_each(|other| assert_eq!(other.join().unwrap(), expected));
    });
}

#[test]
fn kept_values_are_given_out_and_change_nothing() {
    let plain = session(CompileOptions::default()).run(inputs(2, true)).unwrap();
    for keep in [Keep::Named(vec!["sum.out".into(), "x".into()]), Keep::All] {
        let mut graph = sample();
        let kept = keep_values(&mut graph, &keep).unwrap();
        let options = CompileOptions { kept, ..Default::default() };
        let model = CompiledModel::new(graph, options).unwrap();
        let outputs = Session::new(Arc::new(model)).run(inputs(2, true)).unwrap();
        assert!(outputs.iter().eq(plain.iter()));
        assert!(outputs.kept().any(|(name, _)| name == "sum.out"));
        assert_eq!(outputs.tensor("sum.out").unwrap().shape(), [2, 512]);
    }
    let nowhere = Keep::Named(vec!["nowhere".into()]);
    assert!(matches!(keep_values(&mut sample(), &nowhere), Err(CompileError::UnknownValue { .. })));
}

#[test]
fn limits_stop_a_run_and_leave_the_session_usable() {
    let mut session = session(CompileOptions::default());
    session.set_deadline(Some(Instant::now()));
    assert!(matches!(session.run(inputs(1, true)), Err(RunError::Stopped(_))));
    session.set_deadline(None);
    let token = CancelToken::new();
    session.set_cancel(Some(token.clone()));
    assert!(session.run(inputs(1, true)).is_ok());
    token.cancel();
    assert!(matches!(session.run(inputs(1, true)), Err(RunError::Stopped(_))));
    session.set_cancel(None);
    assert!(session.run(inputs(1, true)).is_ok());
    assert_eq!(session.statistics().runs, 4);
}

#[test]
fn errors_name_the_node() {
    let mut graph = Graph::new("");
    let any = ValueType::Unknown;
    let (a, b) = (graph.add_input("a", any.clone()), graph.add_input("b", any));
    let sum = node(&mut graph, Add {}, &[a, b], "sum");
    graph.set_outputs(vec![sum]);
    let mut session = Session::new(Arc::new(CompiledModel::new(graph, CompileOptions::default()).unwrap()));
    let error = session.run(Feeds::from([("a", f32s(&[2], 1)), ("b", f32s(&[3], 1))])).unwrap_err();
    assert!(error.to_string().starts_with("node 'sum' (Add): "), "{error}");
}

#[test]
fn memory_is_bounded_by_lifetimes() {
    let mut graph = Graph::new("chain");
    let x = graph.add_input("x", ValueType::tensor(DataType::F32, Shape::from([Dim::Fixed(4096)])));
    let last = (0..50).fold(x, |x, i| node(&mut graph, Abs {}, &[x], &format!("abs{i}")));
    graph.set_outputs(vec![last]);
    let mut session = Session::new(Arc::new(CompiledModel::new(graph, CompileOptions::default()).unwrap()));
    session.run(vec![f32s(&[4096], 1).into()]).unwrap();
    let statistics = session.statistics();
    assert!(statistics.peak_bytes <= 2 * 4096 * 4, "{statistics:?}");
    assert!(statistics.pooled_bytes <= 3 * 4096 * 5, "{statistics:?}");
}

#[test]
fn the_plan_and_the_profile_name_every_node() {
    let mut session = session(CompileOptions { threads: Some(1), ..Default::default() });
    let plan = session.model().plan();
    assert!(plan.contains("Add [") && plan.contains("(x: Input, Const) -> sum.out: Pool"), "{plan}");
    assert!(plan.contains("subgraph yes") && plan.contains("-> z.out: Output"), "{plan}");
    session.set_profiling(true);
    session.run(inputs(2, true)).unwrap();
    session.run(inputs(2, true)).unwrap();
    let profile = session.profile();
    assert_eq!((profile.runs, profile.nodes.len()), (2, 6));
    assert!(profile.nodes.iter().all(|node| node.calls == 2 && node.bytes_written > 0));
    assert!(profile.to_string().contains("yes/relu") && profile.to_json().contains("\"op\":\"If\""));
}
