//! Random convolutional graphs, lowered and run by the kernels of every instruction set, held to the reference evaluation of
//! what they were lowered from.
//!
//! A failure prints its seed. `LEHR_SEEDS=17` or `LEHR_SEEDS=0..100000` runs other seeds than the usual ones.

mod maps;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use lehr_graph::{Datum, Graph};
use lehr_ops::evaluate::Reference;
use lehr_passes::{OptLevel, Options, lowering, pipeline};
use lehr_runtime::{CompileOptions, CompiledModel, Isa, Session};
use lehr_tensor::Tensor;

/// Seeds that every run of the tests tries.
const SEEDS: Range<u64> = 0..2000;

/// Where numbers grow beyond this, little is said about the small ones among the results.
const MAX_SIZE: f64 = 300.0;

/// What results may be off, relative to the largest number on the way to them.
const TOLERANCE: f64 = 1e-4;

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("LEHR_SEEDS") else { return SEEDS };
    let number =
        |text: &str| text.parse().unwrap_or_else(|_| panic!("LEHR_SEEDS: expected N or N..M, got '{text}'"));
    match text.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => number(&text)..number(&text) + 1,
    }
}

fn numbers(datum: &Datum) -> Vec<f64> {
    datum.as_tensor().and_then(|tensor| tensor.to_f64s().ok()).unwrap_or_default()
}

/// What a graph gives, and the largest number in it.
fn expected(graph: &Graph, x: &Tensor) -> Result<(Vec<Datum>, f64), String> {
    let mut largest = 1.0;
    let mut look = |datum: &Datum| largest = numbers(datum).into_iter().map(f64::abs).fold(largest, f64::max);
    let inputs = vec![Some(x.clone().into())];
    let outputs = Reference::default().run_observed(graph, inputs, &mut |_, datum| look(datum));
    outputs.map(|outputs| (outputs, largest)).map_err(|error| error.to_string())
}

fn compare(got: &[Datum], expected: &[Datum], largest: f64) -> Result<(), String> {
    for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
        let shapes = (got.as_tensor().map(Tensor::shape), expected.as_tensor().map(Tensor::shape));
        if shapes.0 != shapes.1 {
            return Err(format!("output {index}: expected shape {:?}, got {:?}", shapes.1, shapes.0));
        }
        let worst =
            numbers(got).into_iter().zip(numbers(expected)).enumerate().find(|(_, (got, expected))| {
                let off = (got - expected).abs();
                off.is_nan() || off > TOLERANCE * largest
            });
        if let Some((at, (got, expected))) = worst {
            return Err(format!(
                "output {index}, element {at}: expected {expected}, got {got}; largest {largest}"
            ));
        }
    }
    Ok(())
}

/// A graph that gives what it gave.
struct Judged {
    /// How many inputs it was run with; none where numbers grow too large to say.
    cases: usize,
    /// The operators it was lowered to.
    operators: Vec<String>,
}

/// Lowers the graph of a seed and runs it in every way, or says what went wrong.
fn judge(seed: u64) -> Result<Judged, String> {
    let mut net = maps::net(seed);
    let [channels, height, width] = net.input;
    let is_symbolic = !net.graph.value(net.graph.inputs()[0]).ty().shape().unwrap().symbols().is_empty();
    let batches: &[usize] = if is_symbolic { &[3, 1, 0] } else { &[2] };
    let mut cases = Vec::new();
    for &batch in batches {
        let x = net.random.tensor(&[batch, channels, height, width], 1.0);
        match expected(&net.graph, &x) {
            Ok((outputs, largest)) if largest < MAX_SIZE => cases.push((x, outputs, largest)),
            // Some reductions of nothing are errors.
            Err(_) if batch == 0 => {}
            Ok(_) => {}
            Err(error) => return Err(format!("the graph can not be evaluated: {error}")),
        }
    }
    let mut graph = net.graph.clone();
    let options = Options { verify: true, ..Options::default() };
    if seed.is_multiple_of(2) {
        pipeline(OptLevel::O2).run(&mut graph, &options).map_err(|error| error.to_string())?;
    }
    lowering().run(&mut graph, &options).map_err(|error| error.to_string())?;
    for isa in Isa::supported() {
        let mut first: Vec<Option<Vec<Datum>>> = vec![None; cases.len()];
        for threads in [1, 3] {
            let way = format!("on {} with {threads} threads", isa.tier().name());
            let compile =
                CompileOptions { isa: Some(isa.tier()), threads: Some(threads), ..CompileOptions::default() };
            let model = CompiledModel::new(graph.clone(), compile).map_err(|error| error.to_string())?;
            let mut session = Session::new(Arc::new(model));
            // The second time, buffers hold what was there before.
            for ((x, outputs, largest), first) in cases.iter().zip(&mut first) {
                for _ in 0..2 {
                    let got =
                        session.run(vec![x.clone().into()]).map_err(|error| format!("{way}: {error}"))?;
                    let got = got.into_values();
                    let place = || format!("{way}, {} images", x.shape()[0]);
                    compare(&got, outputs, *largest).map_err(|error| format!("{}: {error}", place()))?;
                    match first {
                        Some(first) if *first != got => {
                            return Err(format!("{}: other bits than before", place()));
                        }
                        Some(_) => {}
                        None => *first = Some(got),
                    }
                }
            }
        }
    }
    let operators = graph.node_ids().map(|id| graph.node(id).op().full_name()).collect();
    Ok(Judged { cases: cases.len(), operators })
}

#[test]
fn lowered_graphs_give_what_they_gave_on_every_instruction_set_and_number_of_threads() {
    let seeds = seeds();
    let next = AtomicU64::new(seeds.start);
    let all = Mutex::new((Vec::new(), BTreeMap::<String, usize>::new(), 0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let judged = judge(seed);
                    let mut all = all.lock().unwrap();
                    match judged {
                        Ok(judged) => {
                            all.2 += usize::from(judged.cases > 0);
                            judged
                                .operators
                                .into_iter()
                                .for_each(|name| *all.1.entry(name).or_default() += 1);
                        }
                        Err(problem) => all.0.push((seed, problem)),
                    }
                }
            });
        }
    });
    let (mut failures, counts, judged) = all.into_inner().unwrap();
    failures.sort();
    for (seed, problem) in failures.iter().take(12) {
        println!("seed {seed}: {problem}");
    }
    assert!(failures.is_empty(), "{} of {} graphs fail", failures.len(), seeds.end - seeds.start);
    let lowered =
        ["BlockedConv", "BlockedConvTranspose", "FirstConv", "FromBlocked", "Interleave", "ToBlocked"];
    let counts = lowered.map(|name| counts.get(&format!("lehr::{name}")).copied().unwrap_or(0));
    assert!(seeds != SEEDS || counts.iter().all(|&count| count > 100), "{lowered:?} occur {counts:?} times");
    assert!(seeds != SEEDS || judged * 10 > 2000 * 9, "only {judged} graphs can be evaluated");
}
