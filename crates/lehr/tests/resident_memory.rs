//! One session over many sizes of inputs: memory stays flat. Alone in its process, whose pages it counts.

mod nets;

use lehr_graph::Graph;
use lehr_runtime::Session;

use nets::{assert_right, attention, compiled, maps, values};

/// Runs of each model.
fn runs() -> usize {
    if std::env::var_os("LEHR_SLOW").is_some() { 10_000 } else { 300 }
}

/// Runs after which buffers should have their last sizes.
const WARM: usize = 100;

/// What memory may grow by: parts of the allocator's, and none of a run's.
const SLACK: u64 = 4 << 20;

/// Every how many results are held to the reference evaluation.
const CHECKED: usize = 50;

/// Resident bytes; `None` where the system does not say.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    text.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages * 4096)
}

fn stays_flat(name: &str, graph: &Graph, shape: impl Fn(usize) -> Vec<usize>, largest: &[usize]) {
    let mut session = Session::new(compiled(graph, 2));
    session.run(vec![values(largest, 0).into()]).unwrap();
    let mut before = None;
    for run in 0..runs() {
        let x = values(&shape(run), run);
        let outputs = session.run(vec![x.clone().into()]).unwrap().into_values();
        if run % CHECKED == 0 {
            assert_right(graph, &x, &outputs[0]);
        }
        if run == WARM {
            before = resident();
        }
    }
    if let (Some(before), Some(after)) = (before, resident()) {
        assert!(after < before + SLACK, "{name}: {before} bytes after {WARM} runs, {after} after {}", runs());
    }
}

#[test]
fn memory_stays_flat_over_many_sizes() {
    let mixed = |run: usize, factor: usize, n: usize| run * factor % 10_007 % n;
    let image = |run: usize| vec![mixed(run, 31, 4), 3, 1 + mixed(run, 4_513, 40), 1 + mixed(run, 7_321, 40)];
    stays_flat("maps", &maps(), image, &[3, 3, 40, 40]);
    let positions = |run: usize| vec![2, 1 + mixed(run, 4_513, 90), 12];
    stays_flat("attention", &attention(), positions, &[2, 90, 12]);
}
