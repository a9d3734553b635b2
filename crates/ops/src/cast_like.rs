//! `CastLike`: <https://onnx.ai/onnx/operators/onnx__CastLike.html>

use lehr_graph::{
    AxisMap, Builder, EvalCx, InferCx, Op, OpError, Permutation, Permuted, Shape, Signature, WriteCx,
    declare_op,
};

use crate::cast::{Cast, Rounding, infer_cast, options, write_options};

declare_op! {
    /// Every element of input 0 converted to the type of input 1.
    pub struct CastLike("", "CastLike", 25) inputs(2, 2) outputs(1, 1) flags() {
        /// As in [`Cast`].
        saturate: bool = true,
        /// As in [`Cast`].
        round_mode: Rounding = Rounding::Up,
    }
}

impl Default for CastLike {
    fn default() -> Self {
        Self { saturate: true, round_mode: Rounding::Up }
    }
}

impl Op for CastLike {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let to = cx.dtype(1)?;
        infer_cast(cx, to)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let y = cx.tensor(0)?.cast(cx.tensor(1)?.dtype(), options(self.saturate, self.round_mode))?;
        cx.set(0, y);
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let x = builder.require(0)?;
        let Some(to) = builder.ty(builder.require(1)?).dtype() else { return Ok(false) };
        let y = builder.call(Cast { to, saturate: self.saturate, round_mode: self.round_mode }, &[x])?;
        builder.output(0, y);
        Ok(true)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        let rank = io.input_shape(0).map_or(0, Shape::rank);
        AxisMap::permuted(0, &(0..rank).collect::<Vec<_>>())
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        write_options(cx);
        Ok(())
    }

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        Some(Permuted::unary(io, None, order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn takes_the_type_of_the_second_input() {
        Case::new(CastLike::default())
            .input(f32s(&[2], &[1.5, -2.5]))
            .input(i64s(&[0], &[]))
            .expect(i64s(&[2], &[1, -2]));
    }
}
