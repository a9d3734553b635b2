//! What bitwise operators share.

use lehr_graph::{EvalCx, OpError};

use crate::elementwise::{Binary, eval_binary};

/// Evaluates `signed` or `unsigned`, the same function on both, on the broadcast inputs 0 and 1, which hold integers.
pub(crate) fn eval_bitwise(
    cx: &mut EvalCx<'_>,
    signed: fn(i64, i64) -> Option<i64>,
    unsigned: fn(u64, u64) -> Option<u64>,
) -> Result<(), OpError> {
    let dtype = cx.tensor(0)?.dtype();
    if !dtype.is_int() {
        return Err(OpError::input_type(0, "an integer type", dtype));
    }
    eval_binary(cx, &Binary { float: |_, _| f64::NAN, signed, unsigned })
}
