//! Reductions, and what can be drawn through them.

use lehr_graph::{OpError, ValueId};

use super::draft::{Draft, int};
use super::{Motif, arithmetic};

type Made = Result<ValueId, OpError>;

pub const MOTIFS: &[Motif] = &[reduce, reduce, reduce_twice, reduce_scaled, top_k, cumulative];

fn reduce(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 1..=4)?;
    let name = d.random.pick(&[
        "ReduceMean",
        "ReduceSum",
        "ReduceMax",
        "ReduceMin",
        "ReduceL1",
        "ReduceL2",
        "ReduceSumSquare",
        "ReduceMean",
        "ReduceLogSumExp",
    ]);
    if d.shape(x).iter().any(|dim| dim.as_fixed() == Some(0)) && name != "ReduceSum" {
        return Err(OpError::Unsupported("nothing to reduce".into()));
    }
    let keepdims = ("keepdims", int(d.random.below(2) as i64));
    if d.random.one_in(6) {
        let noop = ("noop_with_empty_axes", int(d.random.below(2) as i64));
        return d.op(name, &[x], &[keepdims, noop]);
    }
    let first = d.random.below(rank) as i64;
    let mut axes = vec![if d.random.one_in(2) { first } else { first - rank as i64 }];
    if rank > 2 && d.random.one_in(3) {
        axes = vec![rank as i64 - 2, rank as i64 - 1];
    }
    let axes = d.indices(&axes);
    d.op(name, &[x, axes], &[keepdims])
}

fn reduce_twice(d: &mut Draft, x: ValueId) -> Made {
    let y = reduce(d, x)?;
    reduce(d, y)
}

fn reduce_scaled(d: &mut Draft, x: ValueId) -> Made {
    let y = arithmetic::affine(d, x)?;
    let y = reduce(d, y)?;
    if d.random.one_in(2) { arithmetic::affine(d, y) } else { d.unary("Neg", y) }
}

fn top_k(d: &mut Draft, x: ValueId) -> Made {
    d.require_rank(x, 1..=3)?;
    let k = d.indices(&[1]);
    Ok(d.op_n("TopK", &[Some(x), Some(k)], &[("axis", int(0))], 2)?[0])
}

fn cumulative(d: &mut Draft, x: ValueId) -> Made {
    d.require_rank(x, 1..=3)?;
    let axis = d.index(-1);
    d.op("CumSum", &[x, axis], &[])
}
