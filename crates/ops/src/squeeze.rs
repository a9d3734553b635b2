//! `Squeeze`: <https://onnx.ai/onnx/operators/onnx__Squeeze.html>

use lehr_graph::{
    Dim, EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx, ReadValues, Shape, Signature, WriteCx,
    declare_op,
};

use crate::axis::resolve_axes;
use crate::renamed_axes::{constant_ints, has_input, ints_like, reduced, renamed_axes};
use crate::symbolic::forward_known;

declare_op! {
    /// Removes the axes in input 1, which have size 1; without it, all axes of size 1.
    pub struct Squeeze("", "Squeeze", 25) inputs(1, 2) outputs(1, 1) flags(DATA_MOVEMENT, SAME_ORDER)
    read(Self::read) {}
}

impl Squeeze {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let inputs = cx.inputs_with_ints(1, "axes")?;
        cx.emit(Self {}, inputs, 1)
    }
}

impl Op for Squeeze {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let shape = match (cx.shape(0), cx.has_input(1)) {
            (Some(shape), true) => match cx.constant_ints(1)? {
                Some(axes) => Some(without_axes(shape.dims(), &axes)?.into_iter().collect::<Shape>()),
                None => None,
            },
            (Some(shape), false) => without_ones(shape),
            (None, _) => None,
        };
        let fixed = shape.as_ref().and_then(Shape::as_fixed);
        cx.set_tensor(0, dtype, shape);
        if let Some(fixed) = fixed {
            forward_known(cx, &fixed);
        }
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let shape = match cx.optional_ints(1)? {
            Some(axes) => {
                let resolved = resolve_axes(&axes, x.rank())?;
                if let Some(axis) = resolved.iter().find(|&&a| x.shape().get(a) != Some(&1)) {
                    return Err(OpError::shape(format!(
                        "axis {axis} to be removed has size {}, expected 1",
                        x.shape().get(*axis).copied().unwrap_or(0)
                    )));
                }
                without_axes(x.shape(), &axes)?
            }
            None => x.shape().iter().copied().filter(|&d| d != 1).collect(),
        };
        let y = x.reshape(&shape)?;
        cx.set(0, y);
        Ok(())
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        if cx.opset() < 13 { cx.ints_to_attribute(1, "axes") } else { Ok(()) }
    }

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        let shape = io.input_shape(0)?;
        if !has_input(io, 1) {
            let ones = |axis: &usize| shape.get(*axis) == Some(&Dim::Fixed(1));
            let dropped: Vec<usize> = (0..shape.as_fixed()?.len()).filter(ones).collect();
            return Some(reduced(io, None, order, &dropped, false));
        }
        let axes = constant_ints(io, 1)?;
        let dropped = resolve_axes(&axes, order.rank()).ok()?;
        let axes = ints_like(io, 1, renamed_axes(&axes, order)?)?;
        Some(reduced(io, None, order, &dropped, false).with_constant(1, axes))
    }
}

fn without_axes<T: Clone>(dims: &[T], axes: &[i64]) -> Result<Vec<T>, OpError> {
    let axes = resolve_axes(axes, dims.len())?;
    Ok(dims.iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, d)| d.clone()).collect())
}

/// The shape without its ones, unless some size might or might not be one.
fn without_ones(shape: &Shape) -> Option<Shape> {
    let all_fixed = shape.dims().iter().all(|d| matches!(d, Dim::Fixed(_)));
    all_fixed.then(|| shape.dims().iter().filter(|d| **d != Dim::Fixed(1)).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn removes_named_or_all_ones() {
        let x = Tensor::from_slice(&[1, 3, 1], &[1.0f32, 2.0, 3.0]).unwrap();
        Case::new(Squeeze {}).input(x.clone()).expect(x.reshape(&[3]).unwrap());
        Case::new(Squeeze {})
            .input(x.clone())
            .constant(Tensor::vector(vec![-1i64]))
            .expect(x.reshape(&[1, 3]).unwrap());
        Case::new(Squeeze {}).input(x).constant(Tensor::vector(vec![1i64])).expect_error("axis 1");
    }
}
