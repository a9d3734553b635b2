//! What comparisons share.

use std::cmp::Ordering;

use lehr_graph::dim::SymInt;
use lehr_graph::{EvalCx, InferCx, OpError};
use lehr_tensor::{DataType, Tensor, Wide};

use crate::elementwise::{bounded_broadcast, common_dtype, infer_broadcast_as, zip_broadcast};
use crate::symbolic::infer_known_binary;

/// Output 0 holds truth values in the broadcast shape; known integers (numbers, or expressions whose equality is
/// decided) give known truth values, as 0 and 1.
pub(crate) fn infer_comparison(cx: &mut InferCx<'_>, f: fn(Option<Ordering>) -> bool) -> Result<(), OpError> {
    common_dtype(cx)?;
    infer_broadcast_as(cx, Some(DataType::Bool))?;
    infer_known_binary(cx, |a, b| match symbolic_order(a, b) {
        Some(order) => SymInt::constant(i64::from(f(Some(order)))),
        // Unequal, but in which order is not known: decided where the order does not matter.
        None if a.equal(b) == Some(false) && f(Some(Ordering::Less)) == f(Some(Ordering::Greater)) => {
            SymInt::constant(i64::from(f(Some(Ordering::Less))))
        }
        None => SymInt::Unknown,
    });
    Ok(())
}

fn symbolic_order(a: &SymInt, b: &SymInt) -> Option<Ordering> {
    if a.equal(b) == Some(true) {
        return Some(Ordering::Equal);
    }
    if let (Some(a), Some(b)) = (a.as_constant(), b.as_constant()) {
        return Some(a.cmp(&b));
    }
    let at_least_one = |difference: SymInt| difference.as_expr().is_some_and(|e| e.is_at_least(1));
    if at_least_one(a.sub(b)) {
        return Some(Ordering::Greater);
    }
    at_least_one(b.sub(a)).then_some(Ordering::Less)
}

/// Evaluates on the order of the broadcast inputs 0 and 1; the order of a NaN and anything is `None`.
pub(crate) fn eval_comparison(cx: &mut EvalCx<'_>, f: fn(Option<Ordering>) -> bool) -> Result<(), OpError> {
    let (a, b) = (cx.tensor(0)?, cx.tensor(1)?);
    if a.dtype() != b.dtype() {
        return Err(OpError::input_type(1, format!("{}, as input 0", a.dtype().name()), b.dtype()));
    }
    let shape = bounded_broadcast(cx, &[a, b])?;
    let z = match (a.widen(), b.widen()) {
        (Wide::F(x), Wide::F(y)) => zip(&x, a, &y, b, &shape, |p, q| f(p.partial_cmp(q))),
        (Wide::I(x), Wide::I(y)) => zip(&x, a, &y, b, &shape, |p, q| f(Some(p.cmp(q)))),
        (Wide::U(x), Wide::U(y)) => zip(&x, a, &y, b, &shape, |p, q| f(Some(p.cmp(q)))),
        (Wide::B(x), Wide::B(y)) => zip(&x, a, &y, b, &shape, |p, q| f(Some(p.cmp(q)))),
        (Wide::S(x), Wide::S(y)) => zip(&x, a, &y, b, &shape, |p, q| f(Some(p.cmp(q)))),
        _ => return Err(OpError::input_type(0, "a type with an order", a.dtype())),
    };
    cx.set(0, Tensor::from_vec(&shape, z)?);
    Ok(())
}

fn zip<T>(
    x: &[T],
    a: &Tensor,
    y: &[T],
    b: &Tensor,
    shape: &[usize],
    f: impl Fn(&T, &T) -> bool,
) -> Vec<bool> {
    let (x, y): (Vec<&T>, Vec<&T>) = (x.iter().collect(), y.iter().collect());
    zip_broadcast((&x, a.shape()), (&y, b.shape()), shape, f)
}
