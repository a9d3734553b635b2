//! Speed of what surrounds convolutions, on blocked and on plain maps: `cargo bench -p lehr-ops --bench maps [WORD]`.
//!
//! Prints, per operator, the best time of several rounds, the bytes of its inputs and outputs per second, and the same
//! time as a multiple of a copy's that moves as many bytes.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use lehr_graph::{Datum, Graph, NodeId, ValueType, text};
use lehr_kernels::{Isa, Team};
use lehr_ops::cpu::{Buffers, Kernel, RunCx};
use lehr_ops::evaluate::Reference;
use lehr_ops::registry::{Operators, cpu_op};
use lehr_tensor::Tensor;

/// Inputs and constants, then the operator.
const CASES: &[(&str, &str)] = &[
    ("input %a: f32[1,12,56,56,8] input %b: f32[1,12,1,1,8]", "Mul(%a, %b)"),
    ("input %a: f32[2,12,56,56,8] input %b: f32[1,12,1,1,8]", "Add(%a, %b)"),
    ("input %a: f32[1,120,14,14,8] input %b: f32[1,120,1,1,8]", "Mul(%a, %b)"),
    ("input %a: f32[1,12,56,56,8] input %b: f32[1,12,1,1,8]", "Sub(%b, %a)"),
    ("input %a: f32[1,12,56,56,8] input %b: f32[12,1,1,8]", "PRelu(%a, %b)"),
    ("input %a: f32[1,12,56,56,8] input %b: f32[1,12,1,1,8]", "Max(%a, %b)"),
    ("input %a: f32[1,12,56,56,8] input %b: f32[1,12,56,56,8]", "Add(%a, %b)"),
    ("input %a: f32[1,96,56,56] input %b: f32[1,96,1,1]", "Mul(%a, %b)"),
    ("input %a: f32[1,96,56,56] input %b: f32[96,1,1]", "PRelu(%a, %b)"),
    (
        "input %a: f32[1,8,112,112,8]",
        "MaxPool(%a) {kernel_shape=[3,3,1], strides=[2,2,1], pads=[1,1,0,1,1,0]}",
    ),
    ("input %a: f32[1,12,56,56,8]", "MaxPool(%a) {kernel_shape=[2,2,1], strides=[2,2,1]}"),
    ("input %a: f32[1,32,20,20,8]", "MaxPool(%a) {kernel_shape=[5,5,1], pads=[2,2,0,2,2,0]}"),
    ("input %a: f32[1,64,13,13,8]", "MaxPool(%a) {kernel_shape=[13,13,1], pads=[6,6,0,6,6,0]}"),
    ("input %a: f32[1,24,35,35,8]", "AveragePool(%a) {kernel_shape=[3,3,1], pads=[1,1,0,1,1,0]}"),
    ("input %a: f32[1,32,56,56,8]", "AveragePool(%a) {kernel_shape=[2,2,1], strides=[2,2,1]}"),
    ("input %a: f32[1,64,112,112]", "MaxPool(%a) {kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]}"),
    ("input %a: f32[1,192,35,35]", "AveragePool(%a) {kernel_shape=[3,3], pads=[1,1,1,1]}"),
    ("input %a: f32[1,12,56,56,8] const %axes = i64[2] [2,3]", "ReduceMean(%a, %axes)"),
    ("input %a: f32[1,120,14,14,8] const %axes = i64[2] [2,3]", "ReduceMean(%a, %axes)"),
    ("input %a: f32[1,12,56,56,8] const %axes = i64[2] [2,3]", "ReduceMax(%a, %axes)"),
    ("input %a: f32[1,96,56,56]", "GlobalAveragePool(%a)"),
    ("input %a: f32[1,96,56,56]", "GlobalMaxPool(%a)"),
    ("input %a: f32[1,32,40,40,8] const %s = f32[5] [1,1,2,2,1]", "Resize(%a, _, %s) {mode=\"nearest\"}"),
    ("input %a: f32[1,32,40,40,8] const %s = f32[5] [1,1,2,2,1]", "Resize(%a, _, %s) {mode=\"linear\"}"),
    ("input %a: f32[1,256,40,40] const %s = f32[4] [1,1,2,2]", "Resize(%a, _, %s) {mode=\"nearest\"}"),
    ("input %a: f32[1,64,40,40] const %s = f32[4] [1,1,2,2]", "Resize(%a, _, %s) {mode=\"linear\"}"),
    ("input %a: f32[1,12,56,56,8] input %b: f32[1,12,56,56,8]", "Concat(%a, %b) {axis=1}"),
    (
        "input %a: f32[1,24,56,56,8] const %s = i64[1] [4] const %e = i64[1] [16] const %x = i64[1] [1]",
        "Slice(%a, %s, %e, %x)",
    ),
    (
        "input %a: f32[1,3,640,640] const %s = i64[1] [1] const %e = i64[1] [640] const %x = i64[1] [3] const %t = i64[1] [2]",
        "Slice(%a, %s, %e, %x, %t)",
    ),
    ("input %a: f32[1,24,56,56,8] const %p = i64[10] [0,0,1,1,0,0,0,1,1,0]", "Pad(%a, %p)"),
    ("input %a: f32[1,24,56,56,8] const %s = i64[1] [24]", "Split(%a, %s) {axis=1}"),
];

fn main() {
    let word = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let team = Team::new(Team::default_threads());
    let isa = Isa::from_env().unwrap_or(Isa::at_most(lehr_kernels::Tier::Scalar));
    println!("{} threads, {}", team.threads(), isa.tier());
    println!("{:>9} {:>7} {:>7}", "time", "GB/s", "copies");
    for (inputs, node) in
        CASES.iter().filter(|(_, node)| word.as_ref().is_none_or(|word| node.contains(word)))
    {
        let graph = match text::parse(&format!("graph {{ {inputs} %y = {node} output %y }}"), &Operators) {
            Ok(graph) => graph,
            Err(error) => {
                println!("{node}: {error}");
                continue;
            }
        };
        let Some(id) = graph.node_ids().next() else { continue };
        let Some((seconds, bytes)) = measure(&graph, id, &team, isa) else {
            println!("{node}: cannot be run");
            continue;
        };
        let copies = seconds / copy_seconds(&team, bytes / 2);
        println!(
            "{:>6.1} us {:>7.1} {copies:>7.2}  {node} of {inputs}",
            seconds * 1e6,
            bytes as f64 / seconds / 1e9
        );
    }
}

/// Seconds of a run, and the bytes that it reads and writes.
fn measure(graph: &Graph, id: NodeId, team: &Team, isa: Isa) -> Option<(f64, usize)> {
    let io = graph.signature(id);
    let node = graph.node(id);
    let inputs: Option<Vec<Option<Datum>>> =
        io.inputs.iter().zip(&io.constants).map(|(ty, constant)| datum(*ty, *constant)).collect();
    let inputs = inputs?;
    let reference = Reference::default();
    let pool = Pool::default();
    let kernel = kernel(graph, id, isa);
    let mut bytes = 0;
    let mut run = || {
        let outputs = match &kernel {
            Some(kernel) => {
                let (mut inputs, dying) = (inputs.clone(), vec![false; inputs.len()]);
                let mut cx = RunCx::new(&mut inputs, &dying, 1, team, isa, &pool, &reference);
                kernel.run(&mut cx).ok()?;
                cx.finish()
            }
            None => {
                let mut cx = lehr_graph::EvalCx::new(&inputs, vec![true], &reference);
                node.op().eval(&mut cx).ok()?;
                cx.finish()
            }
        };
        bytes = inputs.iter().chain(&outputs).map(byte_len).sum();
        outputs.into_iter().flatten().for_each(|output| pool.recycle(output));
        Some(())
    };
    run()?;
    let seconds = best(|| _ = run());
    Some((seconds, bytes))
}

fn kernel(graph: &Graph, id: NodeId, isa: Isa) -> Option<Box<dyn Kernel>> {
    let io = graph.signature(id);
    let op = cpu_op(graph.node(id).op())?;
    let recipe = op.choose(&io, isa)?;
    let packed = op.pack(&recipe, &io.constants).ok()?;
    op.bind(&recipe, Arc::new(packed)).ok()
}

fn datum(ty: Option<&ValueType>, constant: Option<&Tensor>) -> Option<Option<Datum>> {
    if let Some(constant) = constant {
        return Some(Some(constant.clone().into()));
    }
    let Some(ty) = ty else { return Some(None) };
    let shape = ty.shape()?.as_fixed()?;
    let values = (0..shape.iter().product()).map(|i| (i % 17) as f32 / 17.0 - 0.5).collect::<Vec<f32>>();
    Some(Some(Tensor::from_vec(&shape, values).ok()?.into()))
}

fn byte_len(datum: &Option<Datum>) -> usize {
    datum.as_ref().and_then(Datum::as_tensor).map_or(0, |tensor| tensor.len() * size_of::<f32>())
}

/// Seconds of a copy of so many bytes by the team.
fn copy_seconds(team: &Team, bytes: usize) -> f64 {
    let from = vec![1.0f32; bytes / 4];
    let mut to = vec![0.0f32; bytes / 4];
    best(|| {
        team.parallel_chunks(&mut to, 8192, |start, to| to.copy_from_slice(&from[start..start + to.len()]))
    })
}

/// The fastest of several rounds.
fn best(mut run: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    let begin = Instant::now();
    while begin.elapsed().as_millis() < 60 {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

/// Keeps the buffers of the outputs for the next round.
#[derive(Default)]
struct Pool(RefCell<Vec<Vec<f32>>>);

impl Pool {
    fn recycle(&self, output: Datum) {
        if let Datum::Tensor(tensor) = output
            && let Ok(buffer) = tensor.try_into_vec::<f32>()
        {
            self.give(buffer);
        }
    }
}

impl Buffers for Pool {
    fn take(&self, len: usize) -> Vec<f32> {
        let mut free = self.0.borrow_mut();
        match free.iter().position(|buffer| buffer.len() == len) {
            Some(at) => free.swap_remove(at),
            None => vec![0.0; len],
        }
    }

    fn give(&self, buffer: Vec<f32>) {
        self.0.borrow_mut().push(buffer);
    }
}
