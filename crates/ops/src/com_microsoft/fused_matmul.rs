//! `com.microsoft` `FusedMatMul`:
//! <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.FusedMatMul>

use lehr_graph::{AxisMap, Cost, Dim, EvalCx, InferCx, Op, OpError, Shape, Signature, declare_op};

use crate::elementwise::common_dtype;
use crate::matrix_product::{ProductShape, product, product_dims};
use crate::operand::{check_dtype, floats, rounded};
use crate::product_kernel::{FastProduct, ProductPlan, Strides, product_cpu_op};

declare_op! {
    #[allow(non_snake_case, reason = "the attribute names of the specification")]
    /// `alpha · A' · B'` with batches, each operand transposed on demand.
    pub struct FusedMatMul("com.microsoft", "FusedMatMul", 1) inputs(2, 2) outputs(1, 1) flags() {
        /// Factor of the product.
        alpha: f32 = 1.0,
        /// The last two axes of A are swapped.
        transA: bool = false,
        /// The last two axes of B are swapped.
        transB: bool = false,
        /// The first axis of A is moved behind its batch axes before that.
        transBatchA: bool = false,
        /// The first axis of B is moved behind its batch axes before that.
        transBatchB: bool = false,
    }
}

impl FusedMatMul {
    /// How operand A (`false`) or B is rearranged before the product.
    pub(crate) fn order(&self, b: bool, rank: usize) -> Vec<usize> {
        let (matrix, batch) =
            if b { (self.transB, self.transBatchB) } else { (self.transA, self.transBatchA) };
        let mut order: Vec<usize> = (0..rank).collect();
        if rank < 2 {
            return order;
        }
        if batch && rank > 2 {
            order[..rank - 1].rotate_left(1);
        }
        if matrix {
            order.swap(rank - 2, rank - 1);
        }
        order
    }

    /// Sizes of the product of operands of the given shapes.
    pub(crate) fn sizes(&self, a: &[usize], b: &[usize]) -> Result<ProductShape, OpError> {
        let arranged = |b, shape: &[usize]| -> Vec<usize> {
            self.order(b, shape.len()).into_iter().map(|axis| shape[axis]).collect()
        };
        ProductShape::new(&arranged(false, a), &arranged(true, b))
    }
}

impl FastProduct for FusedMatMul {
    fn plan(&self, a: &[usize], b: &[usize]) -> Result<ProductPlan, OpError> {
        let shape = self.sizes(a, b)?;
        let a = strides(a, shape.m, shape.k, self.transA, self.transBatchA);
        let b = strides(b, shape.k, shape.n, self.transB, self.transBatchB);
        Ok(ProductPlan { shape, a, b })
    }

    fn alpha(&self) -> f32 {
        self.alpha
    }
}

product_cpu_op!(FusedMatMul);

/// Layout of the `rows x columns` matrices of an operand of this shape.
fn strides(shape: &[usize], rows: usize, columns: usize, transposed: bool, batch_inside: bool) -> Strides {
    let transposed = transposed && shape.len() > 1;
    let mut strides =
        if transposed { Strides::transposed(rows, columns) } else { Strides::dense(rows, columns) };
    if batch_inside && shape.len() > 2 {
        // The first axis runs along the rows of the stored matrix, whose other axis stays the innermost one.
        let inner = if transposed { rows } else { columns };
        let batch: usize = shape[1..shape.len() - 1].iter().product();
        let outer = if transposed { &mut strides.column } else { &mut strides.row };
        *outer = batch * inner;
        strides.matrix = inner;
    }
    strides
}

/// The elements of a tensor with its axes in another order.
fn permuted(values: Vec<f64>, shape: &[usize], order: &[usize]) -> Result<Vec<f64>, OpError> {
    Ok(lehr_tensor::View::new(&values, shape)?.permute(order)?.to_vec())
}

impl Op for FusedMatMul {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = common_dtype(cx)?;
        let arranged = |b: bool, shape: &Shape| -> Shape {
            self.order(b, shape.rank()).into_iter().map(|axis| shape.dims()[axis].clone()).collect()
        };
        let shape = match (cx.shape(0), cx.shape(1)) {
            (Some(a), Some(b)) => Some(product_dims(&arranged(false, a), &arranged(true, b))?),
            _ => None,
        };
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (a, b) = (cx.tensor(0)?, cx.tensor(1)?);
        check_dtype(1, b, a.dtype())?;
        let shape = self.sizes(a.shape(), b.shape())?;
        let x = permuted(floats(cx, 0)?, a.shape(), &self.order(false, a.rank()))?;
        let y = permuted(floats(cx, 1)?, b.shape(), &self.order(true, b.rank()))?;
        let mut out = product(&shape, &x, &y, |c: f64, a, b| c + a * b);
        out.iter_mut().for_each(|v| *v *= f64::from(self.alpha));
        let out = rounded(a.dtype(), &shape.output, out)?;
        cx.set(0, out);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        let elements = io.output_shape(0).map_or(Dim::Unknown, Shape::numel);
        let inner = io.input_shape(0).and_then(|a| {
            let axis = *self.order(false, a.rank()).last()?;
            a.get(axis).cloned()
        });
        Cost::of_macs(io, elements.mul(&inner.unwrap_or(Dim::Unknown)))
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        AxisMap::opaque(io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    fn op() -> FusedMatMul {
        FusedMatMul { alpha: 1.0, transA: false, transB: false, transBatchA: false, transBatchB: false }
    }

    #[test]
    fn scales_and_transposes() {
        let a = f32s(&[3, 2], &[1., 4., 2., 5., 3., 6.]);
        let b = f32s(&[2, 3], &[1., 0., 1., 0., 1., 1.]);
        let both = FusedMatMul { alpha: 0.5, transA: true, transB: true, ..op() };
        let y = f32s(&[2, 2], &[2., 2.5, 5., 5.5]);
        Case::new(both.clone()).input(a.clone()).constant(b.clone()).expect(y.clone());
        Case::new(both).input(a).input(b).expect(y);
    }

    #[test]
    fn moves_the_first_axis() {
        let a = f32s(&[2, 3, 1, 2], &[1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12.]);
        let b = f32s(&[2, 1], &[1., 10.]);
        let moved = FusedMatMul { transBatchA: true, ..op() };
        let y = f32s(&[3, 1, 2, 1], &[21., 87., 43., 109., 65., 131.]);
        Case::new(moved).input(a).input(b).expect(y);
    }
}
