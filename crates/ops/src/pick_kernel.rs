//! The fast way of operators that pick `f32` elements along axes: Slice, Split, Pad, and Resize to the nearest element.

use std::sync::Arc;

use lehr_graph::{EvalCx, Op, OpError, Signature};
use lehr_kernels::Isa;
use lehr_kernels::team::Team;
use lehr_tensor::Tensor;

use crate::cpu::{CpuOp, Kernel, Packed, Recipe, RunCx, are_f32, run_reference};
use crate::movement::{AxisPicks, Separable};
use crate::pad::Pad;
use crate::slice::Slice;
use crate::split::Split;

/// Elements of a task.
const TASK: usize = 8192;
/// Elements below which waking the team costs more than it gains.
const ALONE_BELOW: usize = 16_384;
/// Elements that a run has on average where runs are walked one by one.
const LONG: usize = 32;

/// What the outputs of an operator take of input 0.
pub(crate) trait Picking: Op + Clone {
    /// The picks of each output.
    ///
    /// # Errors
    /// As [`Op::eval`].
    fn picks(&self, cx: &EvalCx<'_>) -> Result<Vec<Vec<AxisPicks>>, OpError>;

    /// What stands where nothing is picked.
    ///
    /// # Errors
    /// As [`Op::eval`].
    fn fill(&self, cx: &EvalCx<'_>) -> Result<f32, OpError> {
        let _ = cx;
        Ok(0.0)
    }
}

pub(crate) struct PickKernel<T>(pub T);

impl<T: Picking> Kernel for PickKernel<T> {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        if cx.tensor(0)?.is_empty() {
            return run_reference(&self.0, cx);
        }
        let eval = EvalCx::new(cx.inputs(), vec![true; cx.n_outputs()], cx.environment);
        let (all, fill) = (self.0.picks(&eval)?, self.0.fill(&eval)?);
        for (index, picks) in all.iter().enumerate() {
            let x = cx.tensor(0)?;
            let way = Way::new(x.shape(), picks)?;
            let mut y = cx.buffers.take(way.len());
            way.fill(cx.team, &x.as_slice::<f32>()?, fill, &mut y);
            let shape: Vec<usize> = picks.iter().map(AxisPicks::len).collect();
            cx.set(index, Tensor::from_vec(&shape, y)?);
        }
        Ok(())
    }
}

/// A walk over the output in rows: the last axis along which anything is picked, with the block of what lies behind it.
struct Way {
    /// For each axis before that one, where its indices lie in the source; `None` takes the fill value.
    outer: Vec<Vec<Option<usize>>>,
    last: Last,
    /// Elements of a row.
    row: usize,
    rows: usize,
    block: usize,
}

/// Where the blocks of a row come from, counted in blocks.
enum Last {
    /// Long stretches: source of the first one, step and number.
    Runs(Vec<(Option<usize>, i64, usize)>),
    /// One by one.
    Each(Vec<usize>),
}

impl Way {
    fn new(shape: &[usize], picks: &[AxisPicks]) -> Result<Self, OpError> {
        let separable = Separable::new(shape, picks)?;
        let (depth, block) = (separable.depth(), separable.block());
        let strides = lehr_tensor::row_major_strides(shape);
        let (own, last) = match picks.get(..depth).and_then(<[_]>::split_last) {
            Some((last, own)) => (own, last.clone()),
            None => (&[][..], AxisPicks::identity(1)),
        };
        let place = |(picks, &stride): (&AxisPicks, &usize)| {
            picks.indices().map(|index| index.map(|index| index * stride)).collect()
        };
        let each: Option<Vec<usize>> = last.indices().collect();
        let long = last.len() * block >= LONG * last.runs().count();
        Ok(Self {
            outer: own.iter().zip(&strides).map(place).collect(),
            row: last.len() * block,
            rows: own.iter().map(AxisPicks::len).product(),
            block,
            last: match each {
                Some(each) if !long => Last::Each(each),
                _ => Last::Runs(last.runs().collect()),
            },
        })
    }

    fn len(&self) -> usize {
        self.rows * self.row
    }

    /// Writes the whole output.
    fn fill(&self, team: &Team, source: &[f32], fill: f32, y: &mut [f32]) {
        if y.is_empty() {
            return;
        }
        let body = |start: usize, y: &mut [f32]| self.stretch(source, fill, start, y);
        if y.len() < ALONE_BELOW {
            return body(0, y);
        }
        team.parallel_chunks(y, TASK.next_multiple_of(self.block), body);
    }

    /// Writes the output from position `start` on, where a block begins.
    fn stretch(&self, source: &[f32], fill: f32, start: usize, y: &mut [f32]) {
        let mut at = 0;
        let mut before: Option<(Option<usize>, usize)> = None;
        while at < y.len() {
            let (row, column) = ((start + at) / self.row, (start + at) % self.row);
            let len = (self.row - column).min(y.len() - at);
            let base = self.base(row);
            match before {
                // The row is the one before it once more.
                Some((own, from)) if own == base && column == 0 => y.copy_within(from..from + len, at),
                _ => match base {
                    None => y[at..at + len].fill(fill),
                    Some(base) => {
                        self.piece(&source[base..], fill, column / self.block, &mut y[at..at + len])
                    }
                },
            }
            before = (column == 0).then_some((base, at));
            at += len;
        }
    }

    /// Where a row lies in the source.
    fn base(&self, mut row: usize) -> Option<usize> {
        let mut base = Some(0);
        for places in self.outer.iter().rev() {
            base = base.zip(places[row % places.len()]).map(|(base, place)| base + place);
            row /= places.len();
        }
        base
    }

    /// Writes a piece of a row from block `from` on.
    fn piece(&self, source: &[f32], fill: f32, from: usize, y: &mut [f32]) {
        let block = self.block;
        match &self.last {
            Last::Each(each) => copy_blocks(source, block, each[from..].iter().copied(), y),
            Last::Runs(runs) => {
                let (mut skip, mut rest) = (from, y);
                for &(first, step, len) in runs {
                    let skipped = skip.min(len);
                    skip -= skipped;
                    let taken = ((len - skipped) * block).min(rest.len());
                    let (piece, behind) = rest.split_at_mut(taken);
                    rest = behind;
                    // Runs were checked to lie inside the axis, so that their indices are not negative.
                    let index =
                        |i: usize| first.map(|first| (first as i64 + step * (skipped + i) as i64) as usize);
                    match index(0) {
                        None => piece.fill(fill),
                        Some(first) if step == 1 => {
                            piece.copy_from_slice(&source[first * block..][..piece.len()]);
                        }
                        Some(_) => {
                            let count = piece.len() / block;
                            copy_blocks(source, block, (0..count).filter_map(index), piece);
                        }
                    }
                }
            }
        }
    }
}

/// Blocks of the source at the given places, counted in blocks.
fn copy_blocks(source: &[f32], block: usize, places: impl Iterator<Item = usize>, y: &mut [f32]) {
    match block {
        1 => y.iter_mut().zip(places).for_each(|(y, place)| *y = source[place]),
        8 => {
            let (source, _) = source.as_chunks::<8>();
            y.as_chunks_mut::<8>().0.iter_mut().zip(places).for_each(|(y, place)| *y = source[place]);
        }
        _ => {
            for (y, place) in y.chunks_exact_mut(block).zip(places) {
                y.copy_from_slice(&source[place * block..][..block]);
            }
        }
    }
}

macro_rules! pick_cpu_op {
    ($($op:ty),*) => {$(
        impl CpuOp for $op {
            fn choose(&self, io: &Signature<'_>, _isa: Isa) -> Option<Recipe> {
                are_f32(io, &[0]).then(|| Recipe::new("picks"))
            }

            fn pack(&self, _recipe: &Recipe, _constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
                Ok(Packed::default())
            }

            fn bind(&self, _recipe: &Recipe, _packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
                Ok(Box::new(PickKernel(self.clone())))
            }
        }
    )*};
}
pick_cpu_op!(Pad, Slice, Split);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pad::PadMode;
    use crate::testing::{Case, f32s, i64s};

    fn values(shape: &[usize]) -> Tensor {
        f32s(shape, &(0..shape.iter().product()).map(|i: usize| i as f32).collect::<Vec<_>>())
    }

    #[test]
    fn slices_of_every_axis_with_every_step() {
        for x in [values(&[2, 5, 6, 7, 8]), values(&[3, 50, 130])] {
            for axis in 0..i64::try_from(x.rank()).unwrap() {
                for (start, end, step) in [(1, 4, 1), (0, 100, 2), (-1, -100, -1), (2, 2, 1)] {
                    let list = |value: i64| i64s(&[1], &[value]);
                    let case = Case::new(Slice {}).input(x.clone()).constant(list(start)).constant(list(end));
                    case.constant(list(axis)).constant(list(step)).agree();
                }
            }
        }
    }

    #[test]
    fn padding_of_every_mode() {
        let x = values(&[1, 5, 30, 20, 8]);
        for mode in [PadMode::Constant, PadMode::Reflect, PadMode::Edge, PadMode::Wrap] {
            for pads in [[0, 0, 1, 2, 0, 0, 0, 2, 3, 0], [0, 1, 0, -2, 0, 0, 2, 3, 1, 0]] {
                let case = Case::new(Pad { mode }).input(x.clone()).constant(i64s(&[10], &pads));
                case.constant(f32s(&[], &[-3.0])).agree();
            }
        }
    }

    #[test]
    fn parts_of_an_axis() {
        let x = values(&[2, 12, 40, 40]);
        let parts = i64s(&[3], &[3, 5, 4]);
        let case =
            || Case::new(Split { axis: 1, num_outputs: None }).input(x.clone()).constant(parts.clone());
        let want = case().run(3).unwrap()[0].1.iter().flatten().cloned().collect();
        case().expect_all(want);
    }
}
