//! `CenterCropPad`: <https://onnx.ai/onnx/operators/onnx__CenterCropPad.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, declare_op};
use lehr_tensor::Tensor;

use crate::axis::resolve_axes;
use crate::movement::{AxisPicks, check_size, pick};

declare_op! {
    /// Axes cropped or padded with zeros on both sides to the sizes in input 1.
    pub struct CenterCropPad("", "CenterCropPad", 18) inputs(2, 2) outputs(1, 1) flags(DATA_MOVEMENT) {
        /// The axes that the sizes are for; all by default.
        axes: Option<Vec<i64>> = None,
    }
}

impl CenterCropPad {
    fn resolved(&self, rank: usize) -> Result<Vec<usize>, OpError> {
        self.axes.as_ref().map_or_else(|| Ok((0..rank).collect()), |axes| resolve_axes(axes, rank))
    }
}

impl Op for CenterCropPad {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let shape = match cx.shape(0) {
            Some(shape) => {
                let axes = self.resolved(shape.rank())?;
                let mut shape: Shape = shape.clone();
                let sizes = cx.known(1).and_then(|v| v.to_shape());
                if let Some(sizes) = sizes.as_ref().filter(|s| s.rank() != axes.len()) {
                    return Err(OpError::shape(format!("{} sizes for {} axes", sizes.rank(), axes.len())));
                }
                for (at, &axis) in axes.iter().enumerate() {
                    shape.dims_mut()[axis] = sizes.as_ref().map_or(Dim::Unknown, |s| s.dims()[at].clone());
                }
                Some(shape)
            }
            None => None,
        };
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let (axes, sizes) = (self.resolved(x.rank())?, cx.ints(1)?);
        if axes.len() != sizes.len() {
            return Err(OpError::shape(format!("{} sizes for {} axes", sizes.len(), axes.len())));
        }
        let mut picks: Vec<_> = x.shape().iter().map(|&size| AxisPicks::identity(size)).collect();
        let mut shape = x.shape().to_vec();
        for (&axis, &size) in axes.iter().zip(&sizes) {
            let wanted = usize::try_from(size)
                .map_err(|_| OpError::value(format!("size {size}, expected at least 0")))?;
            picks[axis] = centred(shape[axis], wanted);
            shape[axis] = wanted;
        }
        check_size(cx.environment(), x.dtype(), &shape)?;
        let y = pick(x, &picks, Some(&Tensor::zeros(x.dtype(), &[])?))?;
        cx.set(0, y);
        Ok(())
    }
}

/// The odd one out goes to the end, whether cropped or padded.
fn centred(size: usize, wanted: usize) -> AxisPicks {
    let mut picks = AxisPicks::default();
    if wanted <= size {
        picks.stretch((size - wanted) / 2, 1, wanted);
    } else {
        let before = (wanted - size) / 2;
        picks.fill(before);
        picks.stretch(0, 1, size);
        picks.fill(wanted - size - before);
    }
    picks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, i64s};

    #[test]
    fn crops_one_axis_and_pads_another() {
        Case::new(CenterCropPad { axes: None })
            .input(i64s(&[4, 1], &[1, 2, 3, 4]))
            .constant(i64s(&[2], &[1, 4]))
            .expect(i64s(&[1, 4], &[0, 2, 0, 0]));
        Case::new(CenterCropPad { axes: Some(vec![-1]) })
            .input(i64s(&[1, 2], &[1, 2]))
            .input(i64s(&[1], &[3]))
            .expect(i64s(&[1, 3], &[1, 2, 0]));
    }
}
