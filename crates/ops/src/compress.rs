//! `Compress`: <https://onnx.ai/onnx/operators/onnx__Compress.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, declare_op};

use crate::axis::resolve_axis;
use crate::movement::{AxisPicks, pick_as};

declare_op! {
    /// The slices along `axis` for which input 1 is true; what is beyond its length is dropped.
    pub struct Compress("", "Compress", 28) inputs(2, 2) outputs(1, 1) flags() {
        /// Axis; may be negative. Without it the input counts as flat.
        axis: Option<i64> = None,
    }
}

impl Op for Compress {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        cx.dtype(1)?;
        let shape = match (cx.shape(0), self.axis) {
            (Some(shape), Some(axis)) => {
                let axis = resolve_axis(axis, shape.rank())?;
                let mut shape: Shape = shape.clone();
                shape.dims_mut()[axis] = Dim::Unknown;
                Some(shape)
            }
            (_, None) => Some(Shape::unknown(1)),
            (None, Some(_)) => None,
        };
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let condition = cx.tensor(1)?.as_slice::<bool>()?;
        let flat = [x.len()];
        let (shape, axis) = match self.axis {
            Some(axis) => (x.shape(), resolve_axis(axis, x.rank())?),
            None => (&flat[..], 0),
        };
        let mut picks: Vec<_> = shape.iter().map(|&size| AxisPicks::identity(size)).collect();
        picks[axis] = AxisPicks::default();
        condition.iter().enumerate().filter(|(_, c)| **c).for_each(|(i, _)| picks[axis].push(i));
        let y = pick_as(x, shape, &picks, None)?;
        cx.set(0, y);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};
    use lehr_tensor::Tensor;

    #[test]
    fn flat_and_along_an_axis() {
        let x = f32s(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let condition = |c: &[bool]| Tensor::vector(c.to_vec());
        Case::new(Compress { axis: Some(1) })
            .input(x.clone())
            .input(condition(&[false, true]))
            .expect(f32s(&[2, 1], &[2.0, 5.0]));
        Case::new(Compress { axis: None })
            .input(x.clone())
            .input(condition(&[true, false, false, true]))
            .expect(f32s(&[2], &[1.0, 4.0]));
        Case::new(Compress { axis: Some(0) })
            .input(x)
            .input(condition(&[false, false, true]))
            .expect_error("outside");
    }
}
