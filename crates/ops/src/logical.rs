//! What operators on truth values share.

use lehr_graph::{EvalCx, InferCx, OpError};
use lehr_tensor::{DataType, Tensor};

use crate::elementwise::{bounded_broadcast, common_dtype, infer_broadcast_as, zip_broadcast};

/// Output 0 has the broadcast shape of the inputs, which all hold truth values.
pub(crate) fn infer_logical(cx: &mut InferCx<'_>) -> Result<(), OpError> {
    if let Some(other) = common_dtype(cx)?.filter(|&d| d != DataType::Bool) {
        return Err(OpError::input_type(0, DataType::Bool.name(), other));
    }
    infer_broadcast_as(cx, Some(DataType::Bool))
}

/// Evaluates `f` on the broadcast inputs 0 and 1.
pub(crate) fn eval_logical(cx: &mut EvalCx<'_>, f: fn(bool, bool) -> bool) -> Result<(), OpError> {
    let (a, b) = (cx.tensor(0)?, cx.tensor(1)?);
    let shape = bounded_broadcast(cx, &[a, b])?;
    let (x, y) = (a.as_slice::<bool>()?, b.as_slice::<bool>()?);
    let z = zip_broadcast((&x, a.shape()), (&y, b.shape()), &shape, f);
    cx.set(0, Tensor::from_vec(&shape, z)?);
    Ok(())
}
