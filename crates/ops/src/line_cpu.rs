//! Fast operators that work on lines of `f32` along an axis: softmax, and sums over neighbouring axes.

use lehr_graph::{OpError, Signature};
use lehr_kernels::elementwise::{UnaryOp, unary_in_place};
use lehr_kernels::norm::{Softmax, softmax_rows};
use lehr_tensor::{DataType, Tensor};

use crate::axis::{resolve_axes, resolve_axis, split_at_axis};
use crate::cpu::{Kernel, Recipe, RunCx};

/// Softmax or its logarithm along an axis.
pub(crate) struct SoftmaxKernel {
    /// Which of the two.
    pub kind: Softmax,
    /// Axis; may be negative.
    pub axis: i64,
}

impl Kernel for SoftmaxKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let shape = if x.rank() == 0 { vec![1] } else { x.shape().to_vec() };
        let (_, n, inner) = split_at_axis(&shape, resolve_axis(self.axis, shape.len())?);
        let shape = x.shape().to_vec();
        let y = if inner == 1 && n > 0 {
            let x = x.as_slice::<f32>()?;
            let mut y = cx.buffers.take(x.len());
            softmax_rows(cx.team, cx.isa, self.kind, n, &x, &mut y);
            y
        } else {
            let mut y = cx.take_f32(0)?;
            let (team, isa, kind) = (cx.team, cx.isa, self.kind);
            team.parallel_chunks(&mut y, n * inner, |_, plane| {
                softmax_columns(plane, inner, kind, |values| unary_in_place(team, isa, UnaryOp::Exp, values));
            });
            y
        };
        cx.set(0, Tensor::from_vec(&shape, y)?);
        Ok(())
    }
}

/// Softmax of each column of a matrix with rows of `width`.
fn softmax_columns(plane: &mut [f32], width: usize, kind: Softmax, exp: impl Fn(&mut [f32])) {
    let mut greatest = vec![f32::NEG_INFINITY; width];
    for row in plane.chunks(width) {
        greatest.iter_mut().zip(row).for_each(|(g, x)| *g = g.max(*x));
    }
    for row in plane.chunks_mut(width) {
        row.iter_mut().zip(&greatest).for_each(|(x, g)| *x -= g);
    }
    let mut exponentials = match kind {
        Softmax::Plain => Vec::new(),
        Softmax::Log => plane.to_vec(),
    };
    let powers: &mut [f32] = if kind == Softmax::Plain { plane } else { &mut exponentials };
    exp(powers);
    let mut sums = vec![0.0f32; width];
    for row in powers.chunks(width) {
        sums.iter_mut().zip(row).for_each(|(s, x)| *s += x);
    }
    match kind {
        Softmax::Plain => {
            sums.iter_mut().for_each(|s| *s = 1.0 / *s);
            plane.chunks_mut(width).for_each(|row| row.iter_mut().zip(&sums).for_each(|(x, s)| *x *= s));
        }
        Softmax::Log => {
            sums.iter_mut().for_each(|s| *s = s.ln());
            plane.chunks_mut(width).for_each(|row| row.iter_mut().zip(&sums).for_each(|(x, s)| *x -= s));
        }
    }
}

/// A sum, or mean, over neighbouring axes.
pub(crate) struct SumKernel {
    mean: bool,
    keepdims: bool,
    axes: std::ops::Range<usize>,
}

impl SumKernel {
    /// A recipe when input 0 holds `f32` and the axes are known and lie beside each other.
    pub(crate) fn choose(io: &Signature<'_>, noop_with_empty_axes: bool) -> Option<Recipe> {
        let ty = io.inputs.first().copied().flatten()?;
        let rank = ty.shape().filter(|_| ty.dtype() == Some(DataType::F32))?.rank();
        let given = match io.inputs.get(1).copied().flatten() {
            Some(_) => io.constants.get(1).copied().flatten()?.to_i64s().ok()?,
            None => Vec::new(),
        };
        let mut axes = resolve_axes(&given, rank).ok()?;
        if axes.is_empty() {
            if noop_with_empty_axes {
                return None;
            }
            axes = (0..rank).collect();
        }
        axes.sort_unstable();
        let (first, last) = (axes.first().copied()?, axes.last().copied()?);
        (last - first + 1 == axes.len()).then(|| {
            let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
            Recipe::new("neighbouring axes").with("first", number(first)).with("behind", number(last + 1))
        })
    }

    /// The kernel for a recipe of [`SumKernel::choose`].
    pub(crate) fn new(recipe: &Recipe, mean: bool, keepdims: bool) -> Result<Self, OpError> {
        let place = |name| usize::try_from(recipe.get(name)).ok();
        match (place("first"), place("behind")) {
            (Some(first), Some(behind)) if first < behind => Ok(Self { mean, keepdims, axes: first..behind }),
            _ => Err(OpError::value("the recipe names no axes to sum over")),
        }
    }
}

impl Kernel for SumKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let mut shape = x.shape().to_vec();
        let Some(reduced) = shape.get(self.axes.clone()) else {
            return Err(OpError::shape(format!("axes {:?} are out of range for shape {shape:?}", self.axes)));
        };
        let n: usize = reduced.iter().product();
        let inner: usize = shape[self.axes.end..].iter().product();
        let kept = if self.keepdims { self.axes.len() } else { 0 };
        shape.splice(self.axes.clone(), std::iter::repeat_n(1, kept));
        let scale = if self.mean { 1.0 / n as f64 } else { 1.0 };
        let x = x.as_slice::<f32>()?;
        let mut y = cx.buffers.take(lehr_tensor::checked_len(&shape)?);
        if inner == 1 {
            let rows = (ROWS_OF / n.max(1)).max(1);
            cx.team.parallel_chunks(&mut y, rows, |start, y| {
                for (i, y) in y.iter_mut().enumerate() {
                    *y = (sum(&x[(start + i) * n..][..n]) * scale) as f32;
                }
            });
        } else {
            cx.team.parallel_chunks(&mut y, COLUMNS, |start, y| sum_columns(&x, (n, inner), start, y, scale));
        }
        cx.set(0, Tensor::from_vec(&shape, y)?);
        Ok(())
    }
}

/// Elements of one task.
const ROWS_OF: usize = 16_384;
/// Columns that are summed side by side.
const COLUMNS: usize = 256;

/// In 16 interleaved sums that vector units add at once, which are joined in double precision every 1024 elements.
fn sum(row: &[f32]) -> f64 {
    let block_sum = |block: &[f32]| {
        let (groups, rest) = block.as_chunks::<16>();
        let mut sums = [0.0f32; 16];
        for group in groups {
            sums.iter_mut().zip(group).for_each(|(s, x)| *s += x);
        }
        sums.iter().chain(rest).map(|x| f64::from(*x)).sum::<f64>()
    };
    row.chunks(1024).map(block_sum).sum()
}

/// `y` are the column sums from position `start` on of all matrices of `n` rows of `inner`, one behind the other.
fn sum_columns(x: &[f32], (n, inner): (usize, usize), start: usize, y: &mut [f32], scale: f64) {
    let mut done = 0;
    while done < y.len() {
        let (outer, column) = ((start + done) / inner, (start + done) % inner);
        let width = (inner - column).min(y.len() - done);
        let mut sums = [0.0f64; COLUMNS];
        let sums = &mut sums[..width];
        for k in 0..n {
            let row = &x[(outer * n + k) * inner + column..][..width];
            sums.iter_mut().zip(row).for_each(|(s, x)| *s += f64::from(*x));
        }
        y[done..done + width].iter_mut().zip(sums).for_each(|(y, s)| *y = (*s * scale) as f32);
        done += width;
    }
}

#[cfg(test)]
mod tests {
    use crate::log_softmax::LogSoftmax;
    use crate::reduce_mean::ReduceMean;
    use crate::reduce_sum::ReduceSum;
    use crate::softmax::Softmax;
    use crate::testing::{Case, f32s, i64s};
    use lehr_graph::{Datum, Op};
    use lehr_tensor::Tensor;

    fn check(op: impl Op + Clone, x: &Tensor, axes: Option<&[i64]>) {
        let case = || {
            let case = Case::new(op.clone()).tolerance(1e-5, 1e-5).input(x.clone());
            axes.iter().fold(case, |case, axes| case.constant(i64s(&[axes.len()], axes)))
        };
        let ways = case().run(1).unwrap();
        assert!(ways.iter().any(|(way, _)| way.contains("thread")), "{op:?} has no fast way");
        let Some(Some(Datum::Tensor(want))) = ways[0].1.first().cloned() else { panic!("no output") };
        case().expect(want);
    }

    #[test]
    fn every_place_of_the_axis() {
        for shape in [&[2, 3, 4][..], &[3, 40, 300], &[1, 1, 5000], &[2, 0, 3], &[7, 3000, 1]] {
            let len: usize = shape.iter().product();
            let x = f32s(shape, &(0..len).map(|i| ((i * 7) % 23) as f32 / 4.0 - 2.0).collect::<Vec<_>>());
            for axis in 0..3 {
                check(Softmax { axis }, &x, None);
                check(LogSoftmax { axis: axis - 3 }, &x, None);
            }
            for axes in [&[0][..], &[1], &[-1], &[0, 1], &[2, 1], &[0, 1, 2]] {
                for keepdims in [false, true] {
                    check(ReduceSum { keepdims, noop_with_empty_axes: false }, &x, Some(axes));
                    check(ReduceMean { keepdims, noop_with_empty_axes: false }, &x, Some(axes));
                }
            }
            check(ReduceSum { keepdims: false, noop_with_empty_axes: false }, &x, None);
        }
    }
}
