//! `Shape`: <https://onnx.ai/onnx/operators/onnx__Shape.html>

use lehr_graph::{
    Builder, Dim, EvalCx, InferCx, Op, OpError, Shape as Sizes, SymValues, WriteCx, declare_op,
};
use lehr_tensor::{DataType, Tensor};

use crate::slice::Slice;

declare_op! {
    /// The sizes of the input, from axis `start` until before axis `end`.
    pub struct Shape("", "Shape", 25) inputs(1, 1) outputs(1, 1) flags(SHAPE_ONLY) {
        /// First axis; may be negative; clamped.
        start: i64 = 0,
        /// Axis behind the last one; may be negative; clamped.
        end: Option<i64> = None,
    }
}

impl Shape {
    fn range(&self, rank: usize) -> std::ops::Range<usize> {
        let signed = i64::try_from(rank).unwrap_or(i64::MAX);
        let clamp = |axis: i64| {
            let axis = if axis < 0 { axis.saturating_add(signed) } else { axis };
            usize::try_from(axis.clamp(0, signed)).unwrap_or(0)
        };
        let start = clamp(self.start);
        start..self.end.map_or(rank, clamp).max(start)
    }
}

impl Op for Shape {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.require(0)?;
        let Some(shape) = cx.shape(0) else {
            cx.set_tensor(0, Some(DataType::I64), Some(Sizes::unknown(1)));
            return Ok(());
        };
        let sizes: Sizes = shape.dims()[self.range(shape.rank())].iter().cloned().collect();
        cx.set_tensor(0, Some(DataType::I64), Some(Sizes::from([Dim::from(sizes.rank())])));
        cx.set_known(0, SymValues::of_shape(&sizes).ok());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let shape = cx.tensor(0)?.shape();
        let sizes: Vec<i64> =
            shape[self.range(shape.len())].iter().map(|&s| i64::try_from(s).unwrap_or(i64::MAX)).collect();
        cx.set(0, Tensor::vector(sizes));
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        if self.start == 0 && self.end.is_none() {
            return Ok(false);
        }
        let x = builder.require(0)?;
        let whole = builder.call(Self { start: 0, end: None }, &[x])?;
        let (start, end) = (builder.vector(&[self.start]), builder.vector(&[self.end.unwrap_or(i64::MAX)]));
        let y = builder.call(Slice {}, &[whole, start, end])?;
        builder.output(0, y);
        Ok(true)
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        if cx.opset() >= 15 {
            return Ok(());
        }
        let rank = cx.io().input_shape(0).map(Sizes::rank);
        let whole = (self.start == 0 && self.end.is_none()) || rank.is_some_and(|r| self.range(r) == (0..r));
        if !whole {
            return Err(OpError::Unsupported("before opset 15, Shape gives all sizes".into()));
        }
        cx.attributes_mut().remove("start");
        cx.attributes_mut().remove("end");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn gives_a_clamped_range_of_sizes() {
        for (start, end, want) in [
            (0, None, vec![2, 3, 1]),
            (-2, Some(-1), vec![3]),
            (1, Some(9), vec![3, 1]),
            (2, Some(1), vec![]),
            (-9, None, vec![2, 3, 1]),
        ] {
            Case::new(Shape { start, end })
                .input(f32s(&[2, 3, 1], &[0.0; 6]))
                .expect(i64s(&[want.len()], &want));
        }
    }
}
