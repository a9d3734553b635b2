//! Random valid graphs, put together from the forms that passes look for. A seed gives the same graph everywhere.

mod activations;
mod arithmetic;
mod control_flow;
pub mod draft;
mod linear;
mod movement;
mod normalizations;
mod random;
mod reductions;
mod shape_arithmetic;

use lehr_graph::{Datum, Dim, Graph, OpError, Shape, ValueId, ValueType};
use lehr_tensor::{DataType, Tensor, Wide};

use draft::Draft;
pub use random::Random;

/// A graph and what is fed to it.
pub struct Sample {
    pub graph: Graph,
    pub inputs: Vec<Option<Datum>>,
    /// Whether constants hold NaN or infinities.
    pub is_wild: bool,
}

/// Adds a few nodes behind a value and gives the last one's; an error leaves what was added unread.
type Motif = fn(&mut Draft, ValueId) -> Result<ValueId, OpError>;

/// The graph of a seed.
pub fn sample(seed: u64) -> Sample {
    let mut random = Random::new(seed);
    let dtype = match random.below(25) {
        0 => DataType::F16,
        1 => DataType::F64,
        2 => DataType::I64,
        3 => DataType::I32,
        _ => DataType::F32,
    };
    let is_wild = random.one_in(20);
    let mut draft = Draft::new("main", random, dtype, is_wild);
    let sizes = add_inputs(&mut draft);
    let n = 1 + draft.random.below(8);
    (0..n).for_each(|_| grow(&mut draft));
    choose_outputs(&mut draft);
    let inputs = feeds(&mut draft, sizes);
    Sample { graph: draft.graph, inputs, is_wild }
}

/// Adds one motif behind a random value, more often behind a late one.
fn grow(draft: &mut Draft) {
    let motifs: [&[Motif]; 9] = [
        linear::MOTIFS,
        linear::MOTIFS,
        linear::MOTIFS,
        arithmetic::MOTIFS,
        activations::MOTIFS,
        normalizations::MOTIFS,
        movement::MOTIFS,
        reductions::MOTIFS,
        shape_arithmetic::MOTIFS,
    ];
    for _ in 0..6 {
        let from = draft.pick_value();
        let motif = if draft.random.one_in(24) {
            draft.random.pick(control_flow::MOTIFS)
        } else {
            let group = draft.random.pick(&motifs);
            draft.random.pick(group)
        };
        if let Ok(made) = motif(draft, from) {
            draft.push(made);
            return;
        }
    }
}

/// Adds one or two inputs and gives their sizes for the run.
fn add_inputs(draft: &mut Draft) -> Vec<Vec<usize>> {
    let batch = 1 + draft.random.below(3);
    let is_symbolic = draft.random.one_in(3);
    let mut sizes = sizes(draft, batch);
    if draft.random.one_in(25) {
        let axis = draft.random.below(sizes.len());
        sizes[axis] = 0;
    }
    let mut all = vec![sizes.clone()];
    if draft.random.one_in(3) {
        all.push(sizes);
    }
    for (index, sizes) in all.iter().enumerate() {
        let mut shape: Shape = sizes.iter().map(|&size| Dim::Fixed(size as u64)).collect();
        // `-1` in a reshape of nothing can be any size, which types settle and evaluation can not.
        if is_symbolic && sizes.len() > 1 && sizes[0] > 0 {
            shape.dims_mut()[0] = Dim::symbol("N");
        }
        let id = draft.graph.add_input(format!("x{index}"), ValueType::tensor(draft.dtype, shape));
        draft.push(id);
    }
    all
}

fn sizes(draft: &mut Draft, batch: usize) -> Vec<usize> {
    let random = &mut draft.random;
    let mut size = |from: usize, to: usize| from + random.below(to - from + 1);
    match size(0, 9) {
        0 | 1 => vec![batch, 4, size(2, 6), size(2, 6)],
        2..=4 => vec![batch, size(1, 4), size(2, 6), size(2, 6)],
        5 => vec![batch, size(1, 4), size(3, 7)],
        6 | 7 => vec![batch, size(2, 4), size(2, 6)],
        8 => vec![batch, size(2, 6)],
        _ => vec![size(2, 6)],
    }
}

/// Random contents; bits that arithmetic treats specially are among them.
fn feeds(draft: &mut Draft, sizes: Vec<Vec<usize>>) -> Vec<Option<Datum>> {
    let mut feeds: Vec<_> =
        sizes.iter().map(|sizes| Some(Datum::Tensor(draft.contents(draft.dtype, sizes)))).collect();
    let further: Vec<_> = draft.graph.inputs()[sizes.len()..].to_vec();
    for _flag in further {
        let flag = draft.random.one_in(2);
        let tensor = Tensor::narrow(DataType::Bool, &[], Wide::B(vec![flag])).expect("one flag");
        feeds.push(Some(Datum::Tensor(tensor)));
    }
    feeds
}

/// The last value and a few others.
fn choose_outputs(draft: &mut Draft) {
    let values = draft.values().to_vec();
    let mut outputs: Vec<ValueId> = values.last().copied().into_iter().collect();
    for id in values {
        if draft.random.one_in(6) && !outputs.contains(&id) {
            outputs.push(id);
        }
    }
    draft.graph.set_outputs(outputs);
}
