//! `SpaceToDepth`: <https://onnx.ai/onnx/operators/onnx__SpaceToDepth.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, WriteCx, declare_op};

use crate::depth_to_space::{DepthOrder, block_side, not_four_axes};
use crate::movement::{Permute, move_elements};

declare_op! {
    /// Moves blocks of the last two axes into the depth axis: `[N, C, H, W]` to `[N, C·b², H/b, W/b]`.
    pub struct SpaceToDepth("", "SpaceToDepth", 28) inputs(1, 1) outputs(1, 1) flags(DATA_MOVEMENT) {
        /// Side of a block.
        blocksize: i64,
        /// How the depth axis is made up.
        mode: DepthOrder = DepthOrder::DepthLast,
    }
}

impl Op for SpaceToDepth {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let side = Dim::from(block_side(self.blocksize)?);
        let shape = match cx.shape(0).map(Shape::dims) {
            Some([n, c, h, w]) => {
                if [h, w].iter().any(|d| d.is_multiple_of(&side) == Some(false)) {
                    return Err(OpError::shape(format!(
                        "{h} times {w} does not divide into blocks of {side}"
                    )));
                }
                Shape::from([n.clone(), c.mul(&side.mul(&side)), h.div_exact(&side), w.div_exact(&side)])
            }
            Some(dims) => return Err(not_four_axes(dims.len())),
            None => Shape::unknown(4),
        };
        cx.set_tensor(0, dtype, Some(shape));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let b = block_side(self.blocksize)?;
        let &[n, c, h, w] = x.shape() else { return Err(not_four_axes(x.rank())) };
        let (rows, columns) = (h / b, w / b);
        if rows * b != h || columns * b != w {
            return Err(OpError::shape(format!("{h} times {w} does not divide into blocks of {b}")));
        }
        let perm = match self.mode {
            DepthOrder::DepthLast => [0, 3, 5, 1, 2, 4],
            DepthOrder::DepthFirst => [0, 1, 3, 5, 2, 4],
        };
        let shape = [n, c.saturating_mul(b * b), rows, columns];
        let y = move_elements(&[x], &shape, &Permute::new(&[n, c, rows, b, columns, b], &perm))?;
        cx.set(0, y);
        Ok(())
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        if cx.opset() >= 28 {
            return Ok(());
        }
        if self.mode != DepthOrder::DepthLast {
            return Err(OpError::Unsupported("before opset 28, SpaceToDepth has no mode 'CRD'".into()));
        }
        cx.attributes_mut().remove("mode");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn inverts_depth_to_space() {
        for (mode, x) in [
            (DepthOrder::DepthLast, [0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0]),
            (DepthOrder::DepthFirst, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]),
        ] {
            Case::new(SpaceToDepth { blocksize: 2, mode })
                .input(f32s(&[1, 2, 2, 2], &x))
                .expect(f32s(&[1, 8, 1, 1], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]));
        }
    }
}
