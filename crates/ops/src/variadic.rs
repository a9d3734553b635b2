//! What elementwise operators on any number of inputs share.

use lehr_graph::dim::SymInt;
use lehr_graph::{EvalCx, InferCx, OpError};
use lehr_tensor::{DataType, Tensor};

use crate::elementwise::{Binary, binary, bounded_broadcast};

/// Folds the broadcast inputs with `f`, from the first to the last.
pub(crate) fn eval_fold(cx: &mut EvalCx<'_>, f: &Binary) -> Result<(), OpError> {
    bounded_inputs(cx)?;
    let mut y = cx.tensor(0)?.clone();
    for index in 1..cx.n_inputs() {
        y = binary(&y, cx.tensor(index)?, f)?;
    }
    cx.set(0, y);
    Ok(())
}

fn bounded_inputs(cx: &EvalCx<'_>) -> Result<(), OpError> {
    let inputs: Vec<&Tensor> = (0..cx.n_inputs()).map(|i| cx.tensor(i)).collect::<Result<_, _>>()?;
    bounded_broadcast(cx, &inputs).map(|_| ())
}

/// The sum of the broadcast inputs in double precision, and the element type that they share.
pub(crate) fn wide_sum(cx: &EvalCx<'_>) -> Result<(Tensor, DataType), OpError> {
    let dtype = cx.tensor(0)?.dtype();
    if !dtype.is_float() {
        return Err(OpError::input_type(0, "a floating-point type", dtype));
    }
    bounded_inputs(cx)?;
    let add = Binary { float: |a, b| a + b, signed: |_, _| None, unsigned: |_, _| None };
    let mut sum = cx.tensor(0)?.cast(DataType::F64, Default::default())?;
    for index in 1..cx.n_inputs() {
        let x = cx.tensor(index)?;
        if x.dtype() != dtype {
            return Err(OpError::input_type(index, format!("{}, as input 0", dtype.name()), x.dtype()));
        }
        sum = binary(&sum, &x.cast(DataType::F64, Default::default())?, &add)?;
    }
    Ok((sum, dtype))
}

/// Sets the known contents of output 0 to the fold of the known contents of all inputs.
pub(crate) fn infer_known_fold(cx: &mut InferCx<'_>, f: impl Fn(&SymInt, &SymInt) -> SymInt) {
    let Some(mut known) = cx.known(0) else { return };
    for index in 1..cx.n_inputs() {
        let Some(next) = cx.known(index).and_then(|next| known.zip_with(&next, &f).ok()) else { return };
        known = next;
    }
    cx.set_known(0, Some(known));
}
