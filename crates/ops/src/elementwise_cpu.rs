//! Fast elementwise operators on `f32`: kernels of `lehr-kernels` where there is one, plain loops elsewhere; in place when
//! the operand is read for the last time. An operator binds itself with one line of [`cpu_op`].

use std::borrow::Cow;

use lehr_graph::{OpError, Signature};
use lehr_kernels::elementwise::{self, BinaryOp, Operand, UnaryOp};
use lehr_tensor::{DataType, Tensor};

use crate::broadcast_rows::Rows;
use crate::cpu::{Kernel, RunCx};

/// Makes an operator a [`CpuOp`](crate::cpu::CpuOp) whose kernel needs no packed weights:
/// `cpu_op!(Tanh, all_f32, |_op| UnaryKernel(UnaryOp::Tanh))`.
macro_rules! cpu_op {
    ($op:ident, $applies:expr, |$this:ident| $kernel:expr) => {
        impl $crate::cpu::CpuOp for $op {
            fn choose(
                &self,
                io: &lehr_graph::Signature<'_>,
                _isa: lehr_kernels::isa::Isa,
            ) -> Option<$crate::cpu::Recipe> {
                $applies(io).then(|| $crate::cpu::Recipe::new("f32"))
            }

            fn pack(
                &self,
                _recipe: &$crate::cpu::Recipe,
                _constants: &[Option<&lehr_tensor::Tensor>],
            ) -> Result<$crate::cpu::Packed, lehr_graph::OpError> {
                Ok($crate::cpu::Packed::default())
            }

            fn bind(
                &self,
                _recipe: &$crate::cpu::Recipe,
                _packed: std::sync::Arc<$crate::cpu::Packed>,
            ) -> Result<Box<dyn $crate::cpu::Kernel>, lehr_graph::OpError> {
                let $this = self;
                Ok(Box::new($kernel))
            }
        }
    };
}
pub(crate) use cpu_op;

/// Whether every input that is there holds `f32`.
pub(crate) fn all_f32(io: &Signature<'_>) -> bool {
    io.inputs.iter().flatten().all(|ty| ty.dtype() == Some(DataType::F32))
}

/// As [`all_f32`], with two inputs.
pub(crate) fn two_f32(io: &Signature<'_>) -> bool {
    io.inputs.len() == 2 && all_f32(io)
}

/// A function that the kernels have.
pub(crate) struct UnaryKernel(pub UnaryOp);

impl Kernel for UnaryKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        run_unary(cx, self.0)
    }
}

/// Applies `op` to input 0.
pub(crate) fn run_unary(cx: &mut RunCx<'_>, op: UnaryOp) -> Result<(), OpError> {
    let shape = cx.tensor(0)?.shape().to_vec();
    let y = if cx.is_dying(0) {
        let mut y = cx.take_f32(0)?;
        elementwise::unary_in_place(cx.team, cx.isa, op, &mut y);
        y
    } else {
        let x = cx.tensor(0)?.as_slice::<f32>()?;
        let mut y = cx.buffers.take(x.len());
        elementwise::unary(cx.team, cx.isa, op, &x, &mut y);
        y
    };
    cx.set(0, Tensor::from_vec(&shape, y)?);
    Ok(())
}

/// A plain function of one element.
pub(crate) struct MapKernel<F>(pub F);

impl<F: Fn(f32) -> f32 + Send + Sync> Kernel for MapKernel<F> {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        run_blocks(cx, |block| block.iter_mut().for_each(|x| *x = (self.0)(*x)))
    }
}

/// Applies `f` to blocks of input 0, of at most [`BLOCK`] elements each, in place.
pub(crate) fn run_blocks(cx: &mut RunCx<'_>, f: impl Fn(&mut [f32]) + Sync) -> Result<(), OpError> {
    const ALONE_BELOW: usize = 4096;
    let shape = cx.tensor(0)?.shape().to_vec();
    let mut y = cx.take_f32(0)?;
    let run = |_: usize, chunk: &mut [f32]| chunk.chunks_mut(BLOCK).for_each(&f);
    if y.len() < ALONE_BELOW {
        run(0, &mut y)
    } else {
        cx.team.parallel_chunks(&mut y, ALONE_BELOW, run)
    }
    cx.set(0, Tensor::from_vec(&shape, y)?);
    Ok(())
}

/// Elements that a function on blocks may keep on the stack beside its own.
pub(crate) const BLOCK: usize = 256;

/// Arithmetic that the kernels have, on broadcast operands.
pub(crate) struct ArithmeticKernel(pub BinaryOp);

impl Kernel for ArithmeticKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        run_arithmetic(cx, self.0)
    }
}

/// Most elements of a result.
fn most_elements(cx: &RunCx<'_>) -> usize {
    cx.environment.max_value_bytes() / size_of::<f32>()
}

/// Applies `op` to the broadcast inputs 0 and 1.
pub(crate) fn run_arithmetic(cx: &mut RunCx<'_>, op: BinaryOp) -> Result<(), OpError> {
    let rows = Rows::new([cx.tensor(0)?.shape(), cx.tensor(1)?.shape()], most_elements(cx))?;
    let forms = [Form::of(&rows, 0), Form::of(&rows, 1)];
    let target = (0..2).find(|&o| cx.is_dying(o) && forms[o] == Some(Form::Each) && forms[1 - o].is_some());
    let mut y = match target {
        Some(target) => cx.take_f32(target)?,
        None => cx.buffers.take(rows.len),
    };
    let values = |o: usize| match target {
        Some(target) if target == o => Ok(Cow::default()),
        _ => Ok::<_, OpError>(cx.tensor(o)?.as_slice::<f32>()?),
    };
    let (a, b) = (values(0)?, values(1)?);
    let operand = |o: usize, values| match target {
        Some(target) if target == o => Some(Operand::Target),
        _ => forms[o].map(|form| form.operand(values)),
    };
    match operand(0, &a).zip(operand(1, &b)) {
        Some((a, b)) => elementwise::binary(cx.team, cx.isa, op, a, b, &mut y),
        None => by_pieces(cx, op, &rows, &a, &b, &mut y),
    }
    drop((a, b));
    cx.set(0, Tensor::from_vec(&rows.shape, y)?);
    Ok(())
}

/// How an operand lies under the result.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Each,
    One,
    Rows { run: usize, times: usize },
}

impl Form {
    /// The form of operand `o`; `None` when it has none of them.
    fn of(rows: &Rows<2>, o: usize) -> Option<Self> {
        match *rows.axes_of(o) {
            [(_, 1)] => Some(Self::Each),
            [(_, 0)] => Some(Self::One),
            [(times, 0), (run, 1)] => Some(Self::Rows { run, times }),
            [(_, 1), (times, 0)] | [(_, 0), (_, 1), (times, 0)] => Some(Self::Rows { run: 1, times }),
            [(_, step), (times, 0), (run, 1)] | [(_, 0), (_, step), (times, 0), (run, 1)] if step == run => {
                Some(Self::Rows { run, times })
            }
            _ => None,
        }
    }

    fn operand(self, values: &[f32]) -> Operand<'_> {
        match (self, values) {
            (Self::One, &[value]) => Operand::One(value),
            (Self::Rows { run, times }, _) => Operand::Rows { values, run, times },
            _ => Operand::Each(values),
        }
    }
}

fn by_pieces(cx: &RunCx<'_>, op: BinaryOp, rows: &Rows<2>, a: &[f32], b: &[f32], y: &mut [f32]) {
    let moves = [rows.advances(0), rows.advances(1)];
    let (team, isa) = (cx.team, cx.isa);
    rows.for_pieces(team, y, |y, [at_a, at_b]| {
        let (a, b) = (piece(moves[0], &a[at_a..], y.len()), piece(moves[1], &b[at_b..], y.len()));
        elementwise::binary(team, isa, op, a, b, y);
    });
}

fn piece(moves: bool, values: &[f32], len: usize) -> Operand<'_> {
    if moves { Operand::Each(&values[..len]) } else { Operand::One(values[0]) }
}

/// Applies `f` to the broadcast inputs 0 and 1.
pub(crate) fn run_zip(cx: &mut RunCx<'_>, f: &(impl Fn(f32, f32) -> f32 + Sync)) -> Result<(), OpError> {
    let rows = Rows::new([cx.tensor(0)?.shape(), cx.tensor(1)?.shape()], most_elements(cx))?;
    let (a_moves, b_moves) = (rows.advances(0), rows.advances(1));
    let y = if cx.is_dying(0) && cx.tensor(0)?.len() == rows.len {
        let mut y = cx.take_f32(0)?;
        let b = cx.tensor(1)?.as_slice::<f32>()?;
        rows.for_pieces(cx.team, &mut y, |y, [_, at]| match b_moves {
            true => y.iter_mut().zip(&b[at..]).for_each(|(y, b)| *y = f(*y, *b)),
            false => y.iter_mut().for_each(|y| *y = f(*y, b[at])),
        });
        y
    } else {
        let (a, b) = (cx.tensor(0)?.as_slice::<f32>()?, cx.tensor(1)?.as_slice::<f32>()?);
        let mut y = cx.buffers.take(rows.len);
        rows.for_pieces(cx.team, &mut y, |y, [at_a, at_b]| match (a_moves, b_moves) {
            (true, true) => {
                let pairs = a[at_a..].iter().zip(&b[at_b..]);
                y.iter_mut().zip(pairs).for_each(|(y, (a, b))| *y = f(*a, *b));
            }
            (true, false) => y.iter_mut().zip(&a[at_a..]).for_each(|(y, a)| *y = f(*a, b[at_b])),
            (false, true) => y.iter_mut().zip(&b[at_b..]).for_each(|(y, b)| *y = f(a[at_a], *b)),
            (false, false) => y.fill(f(a[at_a], b[at_b])),
        });
        y
    };
    cx.set(0, Tensor::from_vec(&rows.shape, y)?);
    Ok(())
}

/// Chooses between two broadcast operands by a third.
pub(crate) struct SelectKernel;

impl SelectKernel {
    /// Whether the types are those that the kernel takes.
    pub(crate) fn applies(io: &Signature<'_>) -> bool {
        let dtype = |index: usize| io.inputs.get(index).copied().flatten().and_then(|ty| ty.dtype());
        dtype(0) == Some(DataType::Bool) && dtype(1) == Some(DataType::F32) && dtype(2) == Some(DataType::F32)
    }
}

impl Kernel for SelectKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let (c, a, b) = (cx.tensor(0)?, cx.tensor(1)?, cx.tensor(2)?);
        let rows = Rows::new([c.shape(), a.shape(), b.shape()], most_elements(cx))?;
        let c: Cow<'_, [bool]> = c.as_slice::<bool>()?;
        let (a, b) = (a.as_slice::<f32>()?, b.as_slice::<f32>()?);
        let moves = [rows.advances(0), rows.advances(1), rows.advances(2)];
        let mut y = cx.buffers.take(rows.len);
        rows.for_pieces(cx.team, &mut y, |y, [at_c, at_a, at_b]| {
            let (c, a, b) = (&c[at_c..], &a[at_a..], &b[at_b..]);
            match moves {
                [true, true, true] => {
                    let triples = c.iter().zip(a).zip(b);
                    y.iter_mut().zip(triples).for_each(|(y, ((c, a), b))| *y = if *c { *a } else { *b });
                }
                [true, true, false] => {
                    y.iter_mut().zip(c.iter().zip(a)).for_each(|(y, (c, a))| *y = if *c { *a } else { b[0] });
                }
                [true, false, true] => {
                    y.iter_mut().zip(c.iter().zip(b)).for_each(|(y, (c, b))| *y = if *c { a[0] } else { *b });
                }
                [true, false, false] => {
                    y.iter_mut().zip(c).for_each(|(y, c)| *y = if *c { a[0] } else { b[0] });
                }
                [false, a_moves, b_moves] => {
                    let (source, moves) = if c[0] { (a, a_moves) } else { (b, b_moves) };
                    if moves { y.copy_from_slice(&source[..y.len()]) } else { y.fill(source[0]) }
                }
            }
        });
        cx.set(0, Tensor::from_vec(&rows.shape, y)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::add::Add;
    use crate::div::Div;
    use crate::max::Max;
    use crate::min::Min;
    use crate::mul::Mul;
    use crate::sub::Sub;
    use crate::testing::{Case, f32s};
    use crate::r#where::Where;
    use lehr_graph::{Datum, Op};
    use lehr_tensor::Tensor;

    fn sample(shape: &[usize], step: usize) -> Tensor {
        let len: usize = shape.iter().product();
        f32s(shape, &(0..len).map(|i| ((i * step) % 17) as f32 - 7.5).collect::<Vec<_>>())
    }

    /// The reference's answer must be everybody's.
    fn check(op: impl Op + Clone, inputs: &[Tensor]) {
        let case = || inputs.iter().cloned().fold(Case::new(op.clone()), Case::input);
        let ways = case().run(1).unwrap();
        assert!(ways.len() > 1, "{op:?} has no fast way");
        let Some(Some(Datum::Tensor(want))) = ways[0].1.first().cloned() else { panic!("no output") };
        case().expect(want);
    }

    #[test]
    fn every_form_of_broadcasting() {
        let shapes: [(&[usize], &[usize]); 19] = [
            (&[], &[]),
            (&[3], &[]),
            (&[], &[2, 3]),
            (&[2, 3], &[2, 3]),
            (&[2, 3, 4], &[3, 1]),
            (&[3, 1], &[2, 3, 4]),
            (&[2, 3, 4], &[4]),
            (&[2, 1, 4], &[3, 1]),
            (&[2, 3, 4], &[2, 1, 1]),
            (&[2, 3, 4], &[2, 1, 4]),
            (&[0, 3], &[1, 3]),
            (&[5, 40], &[40]),
            (&[2, 20_001], &[1]),
            (&[2, 1, 10_001], &[3, 1]),
            (&[1, 3, 50, 40, 8], &[1, 3, 1, 1, 8]),
            (&[2, 3, 5, 4, 8], &[1, 3, 1, 1, 8]),
            (&[3, 1, 1, 8], &[2, 3, 5, 4, 8]),
            (&[2, 1, 5, 1, 8], &[2, 3, 5, 4, 8]),
            (&[2, 3, 5, 4], &[1, 3, 1, 1]),
        ];
        for (a, b) in shapes {
            let operands = [sample(a, 3), sample(b, 5)];
            check(Add {}, &operands);
            check(Sub {}, &operands);
            check(Mul {}, &operands);
            check(Div {}, &operands);
            check(Max {}, &operands);
            check(Min {}, &operands);
            for condition in [a, b] {
                let len: usize = condition.iter().product();
                let c = Tensor::from_vec(condition, (0..len).map(|i| i % 3 == 0).collect()).unwrap();
                check(Where {}, &[c, operands[0].clone(), operands[1].clone()]);
            }
        }
    }
}
