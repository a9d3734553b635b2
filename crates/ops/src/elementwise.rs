//! What elementwise operators share: inference by broadcasting and evaluation over broadcast operands.

use lehr_graph::infer::broadcast_inputs;
use lehr_graph::{EvalCx, InferCx, OpError};
use lehr_tensor::{DataType, Tensor, Wide, broadcast_shapes};

use crate::operand::bounded_len;

/// Output 0 has the type of input 0.
pub(crate) fn infer_same(cx: &mut InferCx<'_>) -> Result<(), OpError> {
    let dtype = cx.dtype(0)?;
    cx.set_tensor(0, dtype, cx.shape(0).cloned());
    Ok(())
}

/// Output 0 has the broadcast shape of all inputs and their common element type.
pub(crate) fn infer_broadcast(cx: &mut InferCx<'_>) -> Result<(), OpError> {
    let dtype = common_dtype(cx)?;
    infer_broadcast_as(cx, dtype)
}

/// Output 0 has the broadcast shape of all inputs and the given element type.
pub(crate) fn infer_broadcast_as(cx: &mut InferCx<'_>, dtype: Option<DataType>) -> Result<(), OpError> {
    let indices: Vec<_> = (0..cx.n_inputs()).collect();
    let shape = broadcast_inputs(cx, &indices)?;
    cx.set_tensor(0, dtype, shape);
    Ok(())
}

/// The element type that all inputs share, as far as known.
pub(crate) fn common_dtype(cx: &InferCx<'_>) -> Result<Option<DataType>, OpError> {
    let mut common = None;
    for index in 0..cx.n_inputs() {
        match (common, cx.dtype(index)?) {
            (Some(a), Some(b)) if a != b => {
                return Err(OpError::input_type(
                    index,
                    format!("{}, as the inputs before", DataType::name(a)),
                    b,
                ));
            }
            (known, new) => common = known.or(new),
        }
    }
    Ok(common)
}

/// Evaluates `f` on every element of a floating-point input 0; the result has its type.
pub(crate) fn eval_float(cx: &mut EvalCx<'_>, f: impl Fn(f64) -> f64) -> Result<(), OpError> {
    let x = cx.tensor(0)?;
    let y = map_float(x, f)?;
    cx.set(0, y);
    Ok(())
}

/// `f` on every element of a floating-point tensor; the result has its type.
pub(crate) fn map_float(x: &Tensor, f: impl Fn(f64) -> f64) -> Result<Tensor, OpError> {
    if x.dtype() == DataType::F32 {
        let y: Vec<f32> = x.as_slice::<f32>()?.iter().map(|&v| f(f64::from(v)) as f32).collect();
        return Ok(Tensor::from_vec(x.shape(), y)?);
    }
    match x.widen() {
        Wide::F(values) => {
            let y = values.into_iter().map(f).collect();
            Ok(Tensor::narrow(x.dtype(), x.shape(), Wide::F(y))?)
        }
        _ => Err(OpError::input_type(0, "a floating-point type", x.dtype())),
    }
}

/// Output 0 holds a truth value for each element of input 0.
pub(crate) fn infer_predicate(cx: &mut InferCx<'_>) -> Result<(), OpError> {
    cx.dtype(0)?;
    cx.set_tensor(0, Some(DataType::Bool), cx.shape(0).cloned());
    Ok(())
}

/// Evaluates a question on every element of a floating-point input 0.
pub(crate) fn eval_float_predicate(cx: &mut EvalCx<'_>, f: impl Fn(f64) -> bool) -> Result<(), OpError> {
    let x = cx.tensor(0)?;
    let Wide::F(values) = x.widen() else {
        return Err(OpError::input_type(0, "a floating-point type", x.dtype()));
    };
    let y: Vec<bool> = values.into_iter().map(f).collect();
    cx.set(0, Tensor::from_vec(x.shape(), y)?);
    Ok(())
}

/// Functions of one argument for each class of numbers.
pub(crate) struct Unary {
    /// On floating-point numbers.
    pub float: fn(f64) -> f64,
    /// On signed integers; the result wraps to the type.
    pub signed: fn(i64) -> i64,
    /// On unsigned integers; the result wraps to the type.
    pub unsigned: fn(u64) -> u64,
}

/// Evaluates on every element of input 0; the result has its type.
pub(crate) fn eval_unary(cx: &mut EvalCx<'_>, f: &Unary) -> Result<(), OpError> {
    let x = cx.tensor(0)?;
    if x.dtype() == DataType::F32 {
        return eval_float(cx, f.float);
    }
    let y = match x.widen() {
        Wide::F(v) => Wide::F(v.into_iter().map(f.float).collect()),
        Wide::I(v) => Wide::I(v.into_iter().map(f.signed).collect()),
        Wide::U(v) => Wide::U(v.into_iter().map(f.unsigned).collect()),
        _ => return Err(OpError::input_type(0, "a numeric type", x.dtype())),
    };
    let y = Tensor::narrow(x.dtype(), x.shape(), y)?;
    cx.set(0, y);
    Ok(())
}

/// Functions of two arguments for each class of numbers.
pub(crate) struct Binary {
    /// On floating-point numbers.
    pub float: fn(f64, f64) -> f64,
    /// On signed integers; the result wraps to the type; `None` is an error (division by zero).
    pub signed: fn(i64, i64) -> Option<i64>,
    /// On unsigned integers; the result wraps to the type; `None` is an error (division by zero).
    pub unsigned: fn(u64, u64) -> Option<u64>,
}

/// Evaluates on the broadcast inputs 0 and 1, which have one type; the result has it too.
pub(crate) fn eval_binary(cx: &mut EvalCx<'_>, f: &Binary) -> Result<(), OpError> {
    let (a, b) = (cx.tensor(0)?, cx.tensor(1)?);
    bounded_broadcast(cx, &[a, b])?;
    cx.set(0, binary(a, b, f)?);
    Ok(())
}

/// The broadcast shape of operands, checked against the bound on one value: two thin tensors make a thick one.
pub(crate) fn bounded_broadcast(cx: &EvalCx<'_>, operands: &[&Tensor]) -> Result<Vec<usize>, OpError> {
    let shapes: Vec<_> = operands.iter().map(|t| t.shape()).collect();
    let shape = broadcast_shapes(&shapes)?;
    // Evaluation widens every element to at least 64 bits.
    bounded_len(cx, DataType::U64, &shape)?;
    Ok(shape)
}

/// `f` on two broadcast tensors of one type; the result has it too.
pub(crate) fn binary(a: &Tensor, b: &Tensor, f: &Binary) -> Result<Tensor, OpError> {
    if a.dtype() != b.dtype() {
        return Err(OpError::input_type(1, format!("{}, as input 0", a.dtype().name()), b.dtype()));
    }
    let shape = broadcast_shapes(&[a.shape(), b.shape()])?;
    if a.dtype() == DataType::F32 {
        let (x, y) = (a.as_slice::<f32>()?, b.as_slice::<f32>()?);
        let out = zip_broadcast((&x, a.shape()), (&y, b.shape()), &shape, |p, q| {
            (f.float)(f64::from(p), f64::from(q)) as f32
        });
        return Ok(Tensor::from_vec(&shape, out)?);
    }
    let wide = match (a.widen(), b.widen()) {
        (Wide::F(x), Wide::F(y)) => Wide::F(zip_broadcast((&x, a.shape()), (&y, b.shape()), &shape, f.float)),
        (Wide::I(x), Wide::I(y)) => {
            let z = zip_broadcast((&x, a.shape()), (&y, b.shape()), &shape, f.signed);
            Wide::I(z.into_iter().collect::<Option<_>>().ok_or_else(division_by_zero)?)
        }
        (Wide::U(x), Wide::U(y)) => {
            let z = zip_broadcast((&x, a.shape()), (&y, b.shape()), &shape, f.unsigned);
            Wide::U(z.into_iter().collect::<Option<_>>().ok_or_else(division_by_zero)?)
        }
        _ => return Err(OpError::input_type(0, "a numeric type", a.dtype())),
    };
    Ok(Tensor::narrow(a.dtype(), &shape, wide)?)
}

#[cold]
fn division_by_zero() -> OpError {
    OpError::value("integer division by zero")
}

/// `f` over two operands broadcast to `shape`, which must be their broadcast shape; row-major.
pub(crate) fn zip_broadcast<A: Copy, B: Copy, R>(
    (a, a_shape): (&[A], &[usize]),
    (b, b_shape): (&[B], &[usize]),
    shape: &[usize],
    f: impl Fn(A, B) -> R,
) -> Vec<R> {
    if a_shape == b_shape {
        return a.iter().zip(b).map(|(&x, &y)| f(x, y)).collect();
    }
    if let [only] = b {
        return a.iter().map(|&x| f(x, *only)).collect();
    }
    let len = shape.iter().product();
    let mut out = Vec::with_capacity(len);
    let (ia, ib) = (BroadcastIndex::new(a_shape, shape), BroadcastIndex::new(b_shape, shape));
    for (x, y) in ia.zip(ib).take(len) {
        out.push(f(a[x], b[y]));
    }
    out
}

/// Positions in a row-major operand of `own` shape while its broadcast to `shape` is walked in row-major order.
pub(crate) struct BroadcastIndex {
    shape: Vec<usize>,
    strides: Vec<usize>,
    index: Vec<usize>,
    offset: usize,
    left: usize,
}

impl BroadcastIndex {
    /// `own` must broadcast to `shape`.
    pub(crate) fn new(own: &[usize], shape: &[usize]) -> Self {
        let mut strides = vec![0; shape.len()];
        let mut stride = 1;
        for (axis, &size) in own.iter().enumerate().rev() {
            let at = axis + shape.len() - own.len();
            strides[at] = if size == 1 { 0 } else { stride };
            stride *= size;
        }
        Self {
            shape: shape.to_vec(),
            strides,
            index: vec![0; shape.len()],
            offset: 0,
            left: shape.iter().product(),
        }
    }
}

impl Iterator for BroadcastIndex {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let current = self.offset;
        for axis in (0..self.shape.len()).rev() {
            self.index[axis] += 1;
            self.offset += self.strides[axis];
            if self.index[axis] < self.shape[axis] {
                break;
            }
            self.offset -= self.strides[axis] * self.shape[axis];
            self.index[axis] = 0;
        }
        Some(current)
    }
}
