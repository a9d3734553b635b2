//! `Unsqueeze`: <https://onnx.ai/onnx/operators/onnx__Unsqueeze.html>

use lehr_graph::{
    Dim, EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx, ReadValues, Shape, Signature, WriteCx,
    declare_op,
};

use crate::axis::resolve_axes;
use crate::renamed_axes::{constant_ints, ints_like, renamed_axes};
use crate::symbolic::forward_known;

declare_op! {
    /// Inserts axes of size 1 at the positions (of the result) in input 1.
    pub struct Unsqueeze("", "Unsqueeze", 25) inputs(2, 2) outputs(1, 1) flags(DATA_MOVEMENT, SAME_ORDER)
    read(Self::read) {}
}

impl Unsqueeze {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let inputs = cx.inputs_with_ints(1, "axes")?;
        cx.emit(Self {}, inputs, 1)
    }
}

impl Op for Unsqueeze {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let (Some(shape), Some(axes)) = (cx.shape(0), cx.constant_ints(1)?) else {
            cx.set_tensor(0, dtype, None);
            return Ok(());
        };
        let axes = resolve_axes(&axes, shape.rank() + axes.len())?;
        let dims = insert_ones(shape.dims(), &axes, Dim::Fixed(1));
        let shape: Shape = dims.into_iter().collect();
        let fixed = shape.as_fixed();
        cx.set_tensor(0, dtype, Some(shape));
        if let Some(fixed) = fixed {
            forward_known(cx, &fixed);
        }
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let axes = cx.ints(1)?;
        let axes = resolve_axes(&axes, x.rank() + axes.len())?;
        let y = x.reshape(&insert_ones(x.shape(), &axes, 1))?;
        cx.set(0, y);
        Ok(())
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        if cx.opset() < 13 { cx.ints_to_attribute(1, "axes") } else { Ok(()) }
    }

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        let axes = constant_ints(io, 1)?;
        let inserted = resolve_axes(&axes, order.rank()).ok()?;
        let axes = ints_like(io, 1, renamed_axes(&axes, order)?)?;
        let mut permuted = Permuted::unary(io, None, &order.without(&inserted)).with_constant(1, axes);
        permuted.outputs = vec![order.clone()];
        Some(permuted)
    }
}

fn insert_ones<T: Clone>(dims: &[T], axes: &[usize], one: T) -> Vec<T> {
    let mut rest = dims.iter().cloned();
    (0..dims.len() + axes.len())
        .filter_map(|i| if axes.contains(&i) { Some(one.clone()) } else { rest.next() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn inserts_axes_counted_in_the_result() {
        let x = Tensor::from_slice(&[2, 3], &[1.0f32; 6]).unwrap();
        Case::new(Unsqueeze {})
            .input(x.clone())
            .constant(Tensor::vector(vec![-1i64, 0]))
            .expect(x.reshape(&[1, 2, 3, 1]).unwrap());
    }
}
