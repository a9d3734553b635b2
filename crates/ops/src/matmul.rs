//! `MatMul`: <https://onnx.ai/onnx/operators/onnx__MatMul.html>

use lehr_graph::{AxisMap, Cost, EvalCx, InferCx, Op, OpError, Signature, declare_op};
use lehr_tensor::{Tensor, Wide};

use crate::elementwise::common_dtype;
use crate::matrix_product::{ProductShape, infer_product, product, product_axes, product_cost};
use crate::product_kernel::{FastProduct, ProductPlan, Strides, product_cpu_op};

declare_op! {
    /// Matrix product with numpy's rules for vectors and batches; integers wrap.
    pub struct MatMul("", "MatMul", 13) inputs(2, 2) outputs(1, 1) flags() {}
}

impl FastProduct for MatMul {
    fn plan(&self, a: &[usize], b: &[usize]) -> Result<ProductPlan, OpError> {
        let shape = ProductShape::new(a, b)?;
        let (a, b) = (Strides::dense(shape.m, shape.k), Strides::dense(shape.k, shape.n));
        Ok(ProductPlan { shape, a, b })
    }

    fn alpha(&self) -> f32 {
        1.0
    }
}

product_cpu_op!(MatMul);

impl Op for MatMul {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = common_dtype(cx)?;
        let shape = infer_product(cx, 0, 1)?;
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let y = multiply(cx.tensor(0)?, cx.tensor(1)?)?;
        cx.set(0, y);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        product_cost(io, 0)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        product_axes(io, 0, 1)
    }
}

/// The product of two tensors of one type.
pub(crate) fn multiply(a: &Tensor, b: &Tensor) -> Result<Tensor, OpError> {
    if a.dtype() != b.dtype() {
        return Err(OpError::input_type(1, format!("{}, as input 0", a.dtype().name()), b.dtype()));
    }
    let shape = ProductShape::new(a.shape(), b.shape())?;
    let wide = match (a.widen(), b.widen()) {
        (Wide::F(a), Wide::F(b)) => Wide::F(product(&shape, &a, &b, |c: f64, a, b| c + a * b)),
        (Wide::I(a), Wide::I(b)) => {
            Wide::I(product(&shape, &a, &b, |c: i64, a, b| c.wrapping_add(a.wrapping_mul(b))))
        }
        (Wide::U(a), Wide::U(b)) => {
            Wide::U(product(&shape, &a, &b, |c: u64, a, b| c.wrapping_add(a.wrapping_mul(b))))
        }
        _ => return Err(OpError::input_type(0, "a numeric type", a.dtype())),
    };
    Ok(Tensor::narrow(a.dtype(), &shape.output, wide)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn matrices_vectors_and_batches() {
        let a = f32s(&[2, 3], &[1., 2., 3., 4., 5., 6.]);
        let b = f32s(&[3, 2], &[1., 0., 0., 1., 1., 1.]);
        Case::new(MatMul {}).input(a.clone()).input(b.clone()).expect(f32s(&[2, 2], &[4., 5., 10., 11.]));
        Case::new(MatMul {}).input(a.clone()).constant(b.clone()).expect(f32s(&[2, 2], &[4., 5., 10., 11.]));
        let v = f32s(&[3], &[1., 1., 2.]);
        Case::new(MatMul {}).input(a.clone()).input(v.clone()).expect(f32s(&[2], &[9., 21.]));
        Case::new(MatMul {}).input(v.clone()).input(b.clone()).expect(f32s(&[2], &[3., 3.]));
        Case::new(MatMul {}).input(v.clone()).input(v).expect(f32s(&[], &[6.]));
        let batch = f32s(&[2, 1, 1, 3], &[1., 2., 3., 4., 5., 6.]);
        let y = f32s(&[2, 1, 1, 2], &[4., 5., 10., 11.]);
        Case::new(MatMul {}).input(batch.clone()).input(b.clone()).expect(y.clone());
        let two = f32s(&[2, 3, 1], &[1., 1., 1., 0., 0., 1.]);
        Case::new(MatMul {}).input(batch).input(two).expect(f32s(&[2, 2, 1, 1], &[6., 3., 15., 6.]));
        Case::new(MatMul {}).input(a.clone()).input(a).expect_error("inner sizes");
        Case::new(MatMul {})
            .input(f32s(&[2, 0], &[]))
            .input(f32s(&[0, 1], &[]))
            .expect(f32s(&[2, 1], &[0., 0.]));
    }
}
