//! `Cast`: <https://onnx.ai/onnx/operators/onnx__Cast.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, WriteCx, attribute_enum, declare_op};
use lehr_tensor::{CastOptions, DataType, RoundMode};

attribute_enum! {
    /// How a cast to `f8e8m0` rounds.
    pub enum Rounding {
        /// Away from zero.
        Up = "up",
        /// Towards zero.
        Down = "down",
        /// To the nearest power of two, ties up.
        Nearest = "nearest",
    }
}

declare_op! {
    /// Every element converted to another type.
    pub struct Cast("", "Cast", 28) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE)
    read(Self::read) {
        /// Element type of the result.
        to: DataType,
        /// Values beyond the range of an 8-bit float become its largest value, instead of infinity or NaN.
        saturate: bool = true,
        /// Rounding to `f8e8m0`.
        round_mode: Rounding = Rounding::Up,
    }
}

impl Cast {
    /// A cast with the default options.
    pub fn to(to: DataType) -> Self {
        Self { to, saturate: true, round_mode: Rounding::Up }
    }

    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        if cx.opset() >= 6 {
            return cx.emit_same(Self::from_attributes(cx.attributes())?);
        }
        // Before opset 6 the type was named by a word.
        let Some(word) = cx.attribute::<String>("to")? else {
            return Err(OpError::attribute("to", "is required and missing"));
        };
        let to = type_of_word(&word)
            .ok_or_else(|| OpError::attribute("to", format!("{word:?} is not an element type")))?;
        cx.emit_same(Self::to(to))
    }
}

fn type_of_word(word: &str) -> Option<DataType> {
    DataType::from_onnx_name(&word.to_ascii_lowercase())
}

pub(crate) fn options(saturate: bool, round_mode: Rounding) -> CastOptions {
    let round = match round_mode {
        Rounding::Up => RoundMode::Up,
        Rounding::Down => RoundMode::Down,
        Rounding::Nearest => RoundMode::Nearest,
    };
    CastOptions { saturate, round }
}

/// Output 0 is input 0 in another element type; known integers stay known.
pub(crate) fn infer_cast(cx: &mut InferCx<'_>, to: Option<DataType>) -> Result<(), OpError> {
    let from = cx.dtype(0)?;
    cx.set_tensor(0, to, cx.shape(0).cloned());
    let exact = |d: Option<DataType>| matches!(d, Some(DataType::I64 | DataType::I32));
    if exact(to) && (exact(from) || from == Some(DataType::Bool)) {
        let known = cx.known(0);
        cx.set_known(0, known);
    }
    Ok(())
}

/// Leaves out what older opsets do not have; the types that it matters to do not exist there either.
pub(crate) fn write_options(cx: &mut WriteCx<'_>) {
    let opset = cx.opset();
    if opset < 24 {
        cx.attributes_mut().remove("round_mode");
    }
    if opset < 19 {
        cx.attributes_mut().remove("saturate");
    }
}

impl Op for Cast {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_cast(cx, Some(self.to))
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let y = cx.tensor(0)?.cast(self.to, options(self.saturate, self.round_mode))?;
        cx.set(0, y);
        Ok(())
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        write_options(cx);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};
    use lehr_tensor::Tensor;

    #[test]
    fn converts_and_keeps_known_integers() {
        let x = f32s(&[3], &[1.7, -1.7, 0.0]);
        Case::new(Cast::to(DataType::I64)).input(x.clone()).expect(i64s(&[3], &[1, -1, 0]));
        Case::new(Cast::to(DataType::Bool)).input(x).expect(Tensor::vector(vec![true, true, false]));
        Case::new(Cast::to(DataType::I32)).constant(i64s(&[1], &[3])).expect(Tensor::vector(vec![3i32]));
    }

    #[test]
    fn words_of_opset_one() {
        assert_eq!(type_of_word("FLOAT16"), Some(DataType::F16));
        assert_eq!(type_of_word("UINT8"), Some(DataType::U8));
        assert_eq!(type_of_word("NUMBER"), None);
    }
}
