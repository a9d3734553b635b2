//! The rules of reverse mode: how the gradient of a node's output becomes those of its inputs.

use lehr_graph::{Dim, Graph, Op, OpError, ReadCx, ValueId};
use lehr_tensor::{DataType, Tensor};

use crate::add::Add;
use crate::cast::{Cast, Rounding};
use crate::cos::Cos;
use crate::div::Div;
use crate::expand::Expand;
use crate::gemm::Gemm;
use crate::greater::Greater;
use crate::log::Log;
use crate::matmul::MatMul;
use crate::mul::Mul;
use crate::neg::Neg;
use crate::pow::Pow;
use crate::reduce_mean::ReduceMean;
use crate::reduce_sum::ReduceSum;
use crate::reshape::Reshape;
use crate::shape::Shape as ShapeOf;
use crate::sign::Sign;
use crate::sin::Sin;
use crate::size::Size;
use crate::softmax::Softmax;
use crate::sub::Sub;
use crate::transpose::Transpose;
use crate::unsqueeze::Unsqueeze;
use crate::r#where::Where;

/// Emits the nodes of the backward pass.
pub(crate) struct Reverse<'c, 'g> {
    cx: &'c mut ReadCx<'g>,
}

impl<'c, 'g> Reverse<'c, 'g> {
    pub(crate) fn new(cx: &'c mut ReadCx<'g>) -> Self {
        Self { cx }
    }

    pub(crate) fn graph(&self) -> &Graph {
        self.cx.graph()
    }

    fn call(&mut self, op: impl Op, inputs: &[ValueId]) -> Result<ValueId, OpError> {
        self.cx.emit_one(op, inputs)
    }

    fn dtype(&self, x: ValueId) -> Result<DataType, OpError> {
        let unknown = || OpError::Unsupported("a gradient of a value of unknown element type".into());
        self.cx.ty(x).dtype().ok_or_else(unknown)
    }

    fn rank(&self, x: ValueId) -> Result<usize, OpError> {
        let unknown = || OpError::Unsupported("a gradient of a value of unknown rank".into());
        Ok(self.cx.ty(x).shape().ok_or_else(unknown)?.rank())
    }

    /// A scalar of the type of `x`.
    fn number(&mut self, x: ValueId, value: f64) -> Result<ValueId, OpError> {
        let tensor = Tensor::scalar(value).cast(self.dtype(x)?, Default::default())?;
        Ok(self.cx.constant(tensor))
    }

    fn shape_of(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.call(ShapeOf { start: 0, end: None }, &[x])
    }

    /// A value of the shape and type of `x` that is `value` everywhere.
    pub(crate) fn filled_like(&mut self, x: ValueId, value: f64) -> Result<ValueId, OpError> {
        let number = self.number(x, value)?;
        let shape = self.shape_of(x)?;
        self.call(Expand {}, &[number, shape])
    }

    pub(crate) fn add(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        self.call(Add {}, &[a, b])
    }

    fn mul(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        self.call(Mul {}, &[a, b])
    }

    fn div(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        self.call(Div {}, &[a, b])
    }

    fn neg(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.call(Neg {}, &[x])
    }

    fn scale(&mut self, x: ValueId, factor: f64) -> Result<ValueId, OpError> {
        let factor = self.number(x, factor)?;
        self.mul(x, factor)
    }

    fn reshape_like(&mut self, g: ValueId, x: ValueId) -> Result<ValueId, OpError> {
        let shape = self.shape_of(x)?;
        self.call(Reshape { allowzero: true }, &[g, shape])
    }

    /// The last two axes swapped.
    fn transposed(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        let rank = self.rank(x)?;
        let mut perm: Vec<i64> = (0i64..).take(rank).collect();
        if rank < 2 {
            return Err(OpError::Unsupported("the gradient of a matrix product with a vector".into()));
        }
        perm.swap(rank - 1, rank - 2);
        self.call(Transpose { perm: Some(perm) }, &[x])
    }

    /// The gradient of a value that was broadcast: summed over the axes along which it was repeated.
    pub(crate) fn reduced_to(&mut self, g: ValueId, x: ValueId) -> Result<ValueId, OpError> {
        let (from, to) = (self.cx.ty(g).shape().cloned(), self.cx.ty(x).shape().cloned());
        let (Some(from), Some(to)) = (from, to) else {
            return Err(OpError::Unsupported("a gradient of a value of unknown shape".into()));
        };
        if from.equal(&to) == Some(true) {
            return Ok(g);
        }
        let added = from.rank().saturating_sub(to.rank());
        let repeated = |axis: &usize| {
            let own = axis.checked_sub(added).and_then(|own| to.get(own));
            own.is_none_or(|own| *own == Dim::Fixed(1))
        };
        let axes: Vec<i64> =
            (0i64..).zip(0..from.rank()).filter(|(_, a)| repeated(a)).map(|(a, _)| a).collect();
        if axes.is_empty() {
            return Ok(g);
        }
        let axes = self.cx.ints(&axes);
        let sum = self.call(ReduceSum { keepdims: true, noop_with_empty_axes: false }, &[g, axes])?;
        self.reshape_like(sum, x)
    }

    /// The gradient of a reduced value, repeated over the reduced axes.
    fn spread(
        &mut self,
        g: ValueId,
        x: ValueId,
        axes: Option<ValueId>,
        keepdims: bool,
    ) -> Result<ValueId, OpError> {
        let g = match (keepdims, axes) {
            (false, Some(axes)) => self.call(Unsqueeze {}, &[g, axes])?,
            _ => g,
        };
        let shape = self.shape_of(x)?;
        self.call(Expand {}, &[g, shape])
    }

    /// Number of elements, in the type of `like`.
    fn count(&mut self, x: ValueId, like: ValueId) -> Result<ValueId, OpError> {
        let size = self.call(Size {}, &[x])?;
        let to = self.dtype(like)?;
        self.call(Cast { to, saturate: true, round_mode: Rounding::Up }, &[size])
    }
}

/// One derivative for each input of the node (in the shape of the output where it broadcasts); only those that are
/// wanted need to be there.
pub(crate) fn derivatives(
    r: &mut Reverse<'_, '_>,
    op: &dyn Op,
    inputs: &[Option<ValueId>],
    y: ValueId,
    g: ValueId,
    wanted: &[bool],
) -> Result<Vec<Option<ValueId>>, OpError> {
    let input = |index: usize| inputs.get(index).copied().flatten().ok_or(OpError::MissingInput { index });
    let wants = |index: usize| wanted.get(index).copied().unwrap_or(false);
    let name = if op.schema().domain.is_empty() { op.schema().name } else { "" };
    if let Some(part) = unary(r, name, inputs, y, g)? {
        return Ok(vec![Some(part)]);
    }
    Ok(match name {
        "Add" | "Sum" => vec![Some(g); inputs.len()],
        "Sub" => vec![Some(g), Some(r.neg(g)?)],
        "Mul" => {
            let (a, b) = (input(0)?, input(1)?);
            vec![Some(r.mul(g, b)?), Some(r.mul(g, a)?)]
        }
        "Div" => {
            let by_a = r.div(g, input(1)?)?;
            let by_b = r.mul(by_a, y)?;
            vec![Some(by_a), Some(r.neg(by_b)?)]
        }
        "Pow" => {
            let (a, b) = (input(0)?, input(1)?);
            let one = r.number(b, 1.0)?;
            let lower = r.call(Sub {}, &[b, one])?;
            let power = r.call(Pow {}, &[a, lower])?;
            let slope = r.mul(power, b)?;
            let by_a = r.mul(g, slope)?;
            let by_b = if wants(1) {
                let log = r.call(Log {}, &[a])?;
                let slope = r.mul(y, log)?;
                Some(r.mul(g, slope)?)
            } else {
                None
            };
            vec![Some(by_a), by_b]
        }
        "Where" => {
            let condition = input(0)?;
            let zero = r.number(g, 0.0)?;
            let yes = r.call(Where {}, &[condition, g, zero])?;
            vec![None, Some(yes), Some(r.call(Where {}, &[condition, zero, g])?)]
        }
        "MatMul" => {
            let (a, b) = (r.transposed(input(0)?)?, r.transposed(input(1)?)?);
            vec![Some(r.call(MatMul {}, &[g, b])?), Some(r.call(MatMul {}, &[a, g])?)]
        }
        "Gemm" => gemm(r, op, inputs, g)?,
        "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" => vec![Some(r.reshape_like(g, input(0)?)?), None],
        "Transpose" => vec![Some(transpose(r, op, g)?)],
        "ReduceSum" | "ReduceMean" => vec![Some(reduction(r, op, inputs, y, g)?), None],
        "Softmax" => {
            let axis = op.downcast_ref::<Softmax>().map_or(-1, |op| op.axis);
            let axes = r.cx.ints(&[axis]);
            let product = r.mul(g, y)?;
            let sum = r.call(ReduceSum { keepdims: true, noop_with_empty_axes: false }, &[product, axes])?;
            let centered = r.call(Sub {}, &[g, sum])?;
            vec![Some(r.mul(centered, y)?)]
        }
        _ => {
            return Err(OpError::Unsupported(format!("the gradient of {}", op.full_name())));
        }
    })
}

/// The rule of an elementwise operator of one input.
fn unary(
    r: &mut Reverse<'_, '_>,
    name: &str,
    inputs: &[Option<ValueId>],
    y: ValueId,
    g: ValueId,
) -> Result<Option<ValueId>, OpError> {
    let &[Some(x)] = inputs else { return Ok(None) };
    Ok(Some(match name {
        "Identity" => g,
        "Neg" => r.neg(g)?,
        "Exp" => r.mul(g, y)?,
        "Log" => r.div(g, x)?,
        "Sqrt" => {
            let half = r.scale(g, 0.5)?;
            r.div(half, y)?
        }
        "Reciprocal" => {
            let square = r.mul(y, y)?;
            let product = r.mul(g, square)?;
            r.neg(product)?
        }
        "Sigmoid" => {
            let square = r.mul(y, y)?;
            let slope = r.call(Sub {}, &[y, square])?;
            r.mul(g, slope)?
        }
        "Tanh" => {
            let square = r.mul(y, y)?;
            let one = r.number(y, 1.0)?;
            let slope = r.call(Sub {}, &[one, square])?;
            r.mul(g, slope)?
        }
        "Relu" => {
            let zero = r.number(x, 0.0)?;
            let positive = r.call(Greater {}, &[x, zero])?;
            r.call(Where {}, &[positive, g, zero])?
        }
        "Abs" => {
            let sign = r.call(Sign {}, &[x])?;
            r.mul(g, sign)?
        }
        "Sin" => {
            let slope = r.call(Cos {}, &[x])?;
            r.mul(g, slope)?
        }
        "Cos" => {
            let slope = r.call(Sin {}, &[x])?;
            let product = r.mul(g, slope)?;
            r.neg(product)?
        }
        _ => return Ok(None),
    }))
}

/// `α·A'·B' + β·C` by A, B and C.
fn gemm(
    r: &mut Reverse<'_, '_>,
    op: &dyn Op,
    inputs: &[Option<ValueId>],
    g: ValueId,
) -> Result<Vec<Option<ValueId>>, OpError> {
    let (Some(gemm), &[Some(a), Some(b), ..]) = (op.downcast_ref::<Gemm>(), inputs) else {
        return Err(OpError::MissingInput { index: 1 });
    };
    let scaled = r.scale(g, gemm.alpha.into())?;
    let product = |r: &mut Reverse<'_, '_>, x, swap_x, y, swap_y| -> Result<ValueId, OpError> {
        let x = if swap_x { r.transposed(x)? } else { x };
        let y = if swap_y { r.transposed(y)? } else { y };
        r.call(MatMul {}, &[x, y])
    };
    let by_a = if gemm.transA {
        product(r, b, gemm.transB, scaled, true)?
    } else {
        product(r, scaled, false, b, !gemm.transB)?
    };
    let by_b = if gemm.transB {
        product(r, scaled, true, a, gemm.transA)?
    } else {
        product(r, a, !gemm.transA, scaled, false)?
    };
    let by_c = r.scale(g, gemm.beta.into())?;
    Ok(vec![Some(by_a), Some(by_b), Some(by_c)])
}

fn transpose(r: &mut Reverse<'_, '_>, op: &dyn Op, g: ValueId) -> Result<ValueId, OpError> {
    let Some(perm) = op.downcast_ref::<Transpose>().and_then(|op| op.perm.clone()) else {
        return r.call(Transpose { perm: None }, &[g]);
    };
    let mut inverse = vec![0; perm.len()];
    for (to, &from) in (0i64..).zip(&perm) {
        let slot = usize::try_from(from).ok().and_then(|from| inverse.get_mut(from));
        *slot.ok_or_else(|| OpError::value(format!("{from} is no axis of {} axes", perm.len())))? = to;
    }
    r.call(Transpose { perm: Some(inverse) }, &[g])
}

/// The rule of sums and means.
fn reduction(
    r: &mut Reverse<'_, '_>,
    op: &dyn Op,
    inputs: &[Option<ValueId>],
    y: ValueId,
    g: ValueId,
) -> Result<ValueId, OpError> {
    let &[Some(x), ref rest @ ..] = inputs else { return Err(OpError::MissingInput { index: 0 }) };
    let axes = rest.first().copied().flatten();
    let sum = op.downcast_ref::<ReduceSum>().map(|op| op.keepdims);
    let mean = op.downcast_ref::<ReduceMean>().map(|op| op.keepdims);
    let spread = r.spread(g, x, axes, sum.or(mean).unwrap_or(true))?;
    if mean.is_none() {
        return Ok(spread);
    }
    let (all, kept) = (r.count(x, g)?, r.count(y, g)?);
    let share = r.div(kept, all)?;
    r.mul(spread, share)
}
