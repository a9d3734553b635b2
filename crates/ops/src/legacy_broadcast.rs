//! Broadcasting before opset 7: the second operand aligned by the attributes `broadcast` and `axis`.

use lehr_graph::{OpError, ReadCx, ValueId};

use crate::unsqueeze::Unsqueeze;

/// The two operands of a binary operator, the second one reshaped so that today's broadcasting aligns it the same way.
pub(crate) fn align_legacy_operands(cx: &mut ReadCx<'_>) -> Result<Vec<Option<ValueId>>, OpError> {
    let inputs = cx.inputs().to_vec();
    if cx.opset() >= 7 || !cx.attribute::<bool>("broadcast")?.unwrap_or(false) {
        return Ok(inputs);
    }
    let Some(axis) = cx.attribute::<i64>("axis")? else { return Ok(inputs) };
    let (a, b) = (cx.require(0)?, cx.require(1)?);
    let rank = |id| cx.ty(id).shape().map(|s| s.rank() as i64);
    let (Some(rank_a), Some(rank_b)) = (rank(a), rank(b)) else {
        return Err(OpError::Unsupported("broadcast along an axis before opset 7 with unknown ranks".into()));
    };
    let axis = if axis < 0 { axis + rank_a } else { axis };
    let trailing = rank_a - axis - rank_b;
    if axis < 0 || trailing < 0 {
        return Err(OpError::shape(format!(
            "operand of rank {rank_b} does not fit at axis {axis} of rank {rank_a}"
        )));
    }
    if trailing == 0 {
        return Ok(inputs);
    }
    let axes: Vec<i64> = (rank_b..rank_b + trailing).collect();
    let axes = cx.ints(&axes);
    let aligned = cx.emit_one(Unsqueeze {}, &[b, axes])?;
    Ok(vec![Some(a), Some(aligned)])
}
