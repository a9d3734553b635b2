//! `DepthToSpace`: <https://onnx.ai/onnx/operators/onnx__DepthToSpace.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, attribute_enum, declare_op};

use crate::movement::{Permute, move_elements};

attribute_enum! {
    /// How the depth axis is made up.
    pub enum DepthOrder {
        /// Block row, block column, depth.
        DepthLast = "DCR",
        /// Depth, block row, block column.
        DepthFirst = "CRD",
    }
}

declare_op! {
    /// Moves the depth axis into blocks of the two axes behind it: `[N, C, H, W]` to `[N, C/b², H·b, W·b]`.
    pub struct DepthToSpace("", "DepthToSpace", 28) inputs(1, 1) outputs(1, 1) flags(DATA_MOVEMENT) {
        /// Side of a block.
        blocksize: i64,
        /// How the depth axis is made up.
        mode: DepthOrder = DepthOrder::DepthLast,
    }
}

/// The side of a block as a size.
pub(crate) fn block_side(blocksize: i64) -> Result<usize, OpError> {
    usize::try_from(blocksize)
        .ok()
        .filter(|&b| b > 0 && b < 1 << 16)
        .ok_or_else(|| OpError::attribute("blocksize", format!("is {blocksize}, expected at least 1")))
}

#[cold]
pub(crate) fn not_four_axes(rank: usize) -> OpError {
    OpError::shape(format!("expected 4 axes, got {rank}"))
}

impl Op for DepthToSpace {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let side = Dim::from(block_side(self.blocksize)?);
        let shape = match cx.shape(0).map(Shape::dims) {
            Some([n, c, h, w]) => {
                let area = side.mul(&side);
                if c.is_multiple_of(&area) == Some(false) {
                    return Err(OpError::shape(format!("depth {c} does not divide by {area}")));
                }
                Shape::from([n.clone(), c.div_exact(&area), h.mul(&side), w.mul(&side)])
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
        let depth = c / (b * b);
        if depth * b * b != c {
            return Err(OpError::shape(format!("depth {c} does not divide by {}", b * b)));
        }
        let (own, perm) = match self.mode {
            DepthOrder::DepthLast => ([n, b, b, depth, h, w], [0, 3, 4, 1, 5, 2]),
            DepthOrder::DepthFirst => ([n, depth, b, b, h, w], [0, 1, 4, 2, 5, 3]),
        };
        let shape = [n, depth, h.saturating_mul(b), w.saturating_mul(b)];
        let y = move_elements(&[x], &shape, &Permute::new(&own, &perm))?;
        cx.set(0, y);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn both_orders() {
        let x = f32s(&[1, 8, 1, 1], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        for (mode, want) in [
            (DepthOrder::DepthLast, [0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0]),
            (DepthOrder::DepthFirst, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]),
        ] {
            Case::new(DepthToSpace { blocksize: 2, mode })
                .input(x.clone())
                .expect(f32s(&[1, 2, 2, 2], &want));
        }
        Case::new(DepthToSpace { blocksize: 3, mode: DepthOrder::DepthLast }).input(x).expect_error("divide");
    }
}
