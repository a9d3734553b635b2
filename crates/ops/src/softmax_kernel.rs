//! The fast way of softmax along an axis.

use lehr_graph::OpError;
use lehr_kernels::elementwise::{UnaryOp, unary_in_place};
use lehr_kernels::norm::{Softmax, softmax_rows};
use lehr_tensor::Tensor;

use crate::axis::{resolve_axis, split_at_axis};
use crate::cpu::{Kernel, RunCx};

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

#[cfg(test)]
mod tests {
    use crate::log_softmax::LogSoftmax;
    use crate::softmax::Softmax;
    use crate::testing::{Case, f32s};
    use lehr_graph::{Datum, Op};
    use lehr_tensor::Tensor;

    fn check(op: impl Op + Clone, x: &Tensor) {
        let case = || Case::new(op.clone()).tolerance(1e-5, 1e-5).input(x.clone());
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
                check(Softmax { axis }, &x);
                check(LogSoftmax { axis: axis - 3 }, &x);
            }
        }
    }
}
