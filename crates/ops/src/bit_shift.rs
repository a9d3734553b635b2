//! `BitShift`: <https://onnx.ai/onnx/operators/onnx__BitShift.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, attribute_enum, declare_op};

use crate::bitwise::eval_bitwise;
use crate::elementwise::infer_broadcast;

attribute_enum! {
    /// Where bits move.
    pub enum Direction {
        /// To the high bits.
        Left = "LEFT",
        /// To the low bits; the sign fills what becomes free.
        Right = "RIGHT",
    }
}

declare_op! {
    /// The bits of a moved by b places; too many or a negative number of places leave the sign alone.
    pub struct BitShift("", "BitShift", 28) inputs(2, 2) outputs(1, 1) flags(ELEMENTWISE) {
        /// Where bits move.
        direction: Direction,
    }
}

impl Op for BitShift {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_broadcast(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        // All types are widened to 64 bits, so shifts up to there drop everything that a narrower type drops.
        match self.direction {
            Direction::Left => eval_bitwise(
                cx,
                |a, b| Some(u32::try_from(b).ok().and_then(|b| a.checked_shl(b)).unwrap_or(0)),
                |a, b| Some(u32::try_from(b).ok().and_then(|b| a.checked_shl(b)).unwrap_or(0)),
            ),
            Direction::Right => eval_bitwise(
                cx,
                |a, b| Some(a >> u32::try_from(b).unwrap_or(63).min(63)),
                |a, b| Some(u32::try_from(b).ok().and_then(|b| a.checked_shr(b)).unwrap_or(0)),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn both_ways_signed_and_too_far() {
        let (left, right) =
            (BitShift { direction: Direction::Left }, BitShift { direction: Direction::Right });
        let places = Tensor::vector(vec![1u8, 2, 8, 255]);
        let x = Tensor::vector(vec![0x81u8; 4]);
        Case::new(left.clone())
            .input(x.clone())
            .input(places.clone())
            .expect(Tensor::vector(vec![2u8, 4, 0, 0]));
        Case::new(right.clone()).input(x).input(places).expect(Tensor::vector(vec![0x40u8, 0x20, 0, 0]));
        let places = Tensor::vector(vec![1i8, 7, 8, -1]);
        let x = Tensor::scalar(-127i8);
        Case::new(left).input(x.clone()).input(places.clone()).expect(Tensor::vector(vec![2i8, -128, 0, 0]));
        Case::new(right).input(x).input(places).expect(Tensor::vector(vec![-64i8, -1, -1, -1]));
    }
}
