//! Random graphs through the pipelines and through every pass alone, held to the reference interpreter.
//!
//! A failure prints its seed and the smallest graph that still fails. `LEHR_SEEDS=17` or `LEHR_SEEDS=0..100000` runs other
//! seeds than the usual ones.

mod generator;
mod reducer;
mod subject;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use generator::sample;
use lehr_graph::Flags;
use subject::{Bench, Subject};

/// Seeds that every run of the tests tries.
const SEEDS: Range<u64> = 0..2400;

/// Most failures that are reduced and printed; one fault shows in many graphs.
const MAX_SHOWN: usize = 12;

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("LEHR_SEEDS") else { return SEEDS };
    let number =
        |text: &str| text.parse().unwrap_or_else(|_| panic!("LEHR_SEEDS: expected N or N..M, got '{text}'"));
    match text.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => number(&text)..number(&text) + 1,
    }
}

/// Calls `each` for all seeds on all cores.
fn for_seeds<T: Send>(seeds: Range<u64>, each: impl Fn(u64, &Bench) -> T + Sync) -> Vec<T> {
    let next = AtomicU64::new(seeds.start);
    let all = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let bench = Bench::new();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let result = each(seed, &bench);
                    all.lock().unwrap().push((seed, result));
                }
            });
        }
    });
    let mut all = all.into_inner().unwrap();
    all.sort_by_key(|(seed, _)| *seed);
    all.into_iter().map(|(_, result)| result).collect()
}

#[test]
fn random_graphs_keep_their_results_in_every_pipeline_and_pass() {
    let outcomes = for_seeds(seeds(), |seed, bench| {
        let sample = sample(seed);
        let subject = Subject::new(sample.graph, sample.inputs, sample.is_wild)?;
        Some(bench.failures(&subject).into_iter().map(|f| (seed, f, subject.clone())).collect::<Vec<_>>())
    });
    let n = outcomes.len();
    let judged = outcomes.iter().flatten().count();
    let mut by_plan: BTreeMap<String, Vec<(u64, subject::Failure, Subject)>> = BTreeMap::new();
    for (seed, failure, subject) in outcomes.into_iter().flatten().flatten() {
        by_plan.entry(failure.plan.to_string()).or_default().push((seed, failure, subject));
    }
    let bench = Bench::new();
    for (plan, failures) in by_plan.iter().take(MAX_SHOWN) {
        let seeds: Vec<_> = failures.iter().map(|(seed, ..)| seed).collect();
        println!("=== {plan}: {} failures, seeds {:?}", seeds.len(), &seeds[..seeds.len().min(20)]);
        let (seed, failure, subject) = &failures[0];
        println!("seed {seed}: {}\n{}", failure.problem, reducer::reduced(subject, failure, &bench));
    }
    let failed: Vec<_> =
        by_plan.iter().map(|(plan, failures)| format!("{plan}: {}", failures.len())).collect();
    assert!(failed.is_empty(), "of {n} graphs some fail: {}", failed.join(", "));
    assert!(n < 100 || judged * 10 >= n * 9, "only {judged} of {n} random graphs can be evaluated");
}

/// Keeps the generator from narrowing down unnoticed: a motif with a mistake in it adds nothing.
#[test]
fn random_graphs_contain_what_passes_look_for() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let (mut subgraphs, mut symbolic, mut empty) = (0, 0, 0);
    for seed in 0..1500 {
        let graph = sample(seed).graph;
        for id in graph.node_ids() {
            *counts.entry(graph.node(id).op().full_name()).or_default() += 1;
            subgraphs += usize::from(graph.node(id).op().flags().contains(Flags::CONTROL_FLOW));
        }
        let shape = graph.value(graph.inputs()[0]).ty().shape().cloned().unwrap_or_default();
        symbolic += usize::from(!shape.symbols().is_empty());
        empty += usize::from(shape.iter().any(|dim| dim.as_fixed() == Some(0)));
    }
    let all = "Abs Add AveragePool BatchNormalization Cast Clip Concat ConstantOfShape Conv ConvTranspose CumSum
        DepthToSpace DequantizeLinear Div Erf Exp Expand Flatten Gather Gemm GlobalAveragePool HardSigmoid HardSwish
        Identity If InstanceNormalization LayerNormalization LeakyRelu Log Loop MatMul Max MaxPool Mean Min Mul Neg
        PRelu Pad Pow Range Reciprocal ReduceL2 ReduceMax ReduceMean ReduceSum Relu Reshape Resize ScatterND Shape Sigmoid
        Size Slice Softmax Softplus SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Tile TopK Transpose Unsqueeze Where";
    let missing: Vec<_> = all.split_whitespace().filter(|name| !counts.contains_key(*name)).collect();
    assert!(missing.is_empty(), "{missing:?} never occur: {counts:?}");
    assert!(subgraphs > 10 && symbolic > 200 && empty > 20, "{subgraphs} {symbolic} {empty}");
}
