//! `Linear`: MatMul (<https://onnx.ai/onnx/operators/onnx__MatMul.html>) with constant weights, and what follows it.

use std::sync::Arc;

use lehr_graph::{AxisMap, AxisRole, Cost, EvalCx, InferCx, Op, OpError, Shape, Signature, declare_op};
use lehr_kernels::gemm::{self, Bias, Epilogue, MatRef, PackedBRef, gemm, gemm_scratch_len};
use lehr_kernels::isa::Isa;
use lehr_tensor::{Tensor, checked_len};

use super::Activation;
use super::geometry::weights_of;
use crate::cpu::{CpuOp, Kernel, Packed, Recipe, RunCx, are_f32, refused, sizes_of, with_sizes};
use crate::matrix_product::{ProductShape, product, transposed};
use crate::operand::{
    bounded_len, check_dtype, check_shape, floats, optional_floats, present_dtype, rounded,
};
use crate::product_kernel::packed_b;

declare_op! {
    /// `activation(X · W + B + Z)`: X is `[…, K]`, W is `[K, N]`, B has N values, Z has the shape `[…, N]` of the result.
    pub struct Linear("lehr", "Linear", 1) inputs(2, 4) outputs(1, 1) flags() {
        /// Applied last.
        activation: Option<Activation> = None,
        /// Parameters of the activation.
        activation_params: Option<Vec<f32>> = None,
        /// W is `[N, K]`.
        transposed: bool = false,
    }
}

impl Linear {
    fn parameters(&self) -> &[f32] {
        self.activation_params.as_deref().unwrap_or_default()
    }

    fn kernel_activation(&self) -> Result<gemm::Activation, OpError> {
        self.activation.map_or(Ok(gemm::Activation::None), |activation| activation.kernel(self.parameters()))
    }

    /// Rows and columns of weights of this shape, `[K, N]` whatever their order.
    fn matrix<T: Clone>(&self, shape: &[T]) -> Result<[T; 2], OpError> {
        match shape {
            [n, k] if self.transposed => Ok([k.clone(), n.clone()]),
            [k, n] => Ok([k.clone(), n.clone()]),
            _ => Err(OpError::shape(format!("input 1: expected a matrix, got rank {}", shape.len()))),
        }
    }

    /// The product as one of matrices, and the shape of the result.
    fn fit(&self, x: &[usize], w: &[usize]) -> Result<(ProductShape, Vec<usize>), OpError> {
        let [k, n] = self.matrix(w)?;
        let [outer @ .., _] = x else {
            return Err(OpError::shape("input 0: expected at least one axis, got a scalar"));
        };
        let mut shape = outer.to_vec();
        shape.push(n);
        checked_len(&shape)?;
        let rows = checked_len(outer)?;
        let inner = x.last().copied().unwrap_or(0);
        Ok((ProductShape::new(&[rows, inner], &[k, n])?, shape))
    }
}

impl Op for Linear {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = present_dtype(cx)?;
        let (Some(x), Some(w)) = (cx.shape(0), cx.shape(1)) else {
            cx.set_tensor(0, dtype, None);
            return Ok(());
        };
        let [k, n] = self.matrix(w.dims())?;
        let [outer @ .., inner] = x.dims() else {
            return Err(OpError::shape("input 0: expected at least one axis, got a scalar"));
        };
        if inner.equal(&k) == Some(false) {
            return Err(OpError::shape(format!("inner sizes differ: {inner} of {x} and {k} of {w}")));
        }
        let shape: Shape = outer.iter().cloned().chain([n]).collect();
        cx.set_tensor(0, dtype, Some(shape));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (x, w) = (cx.tensor(0)?, cx.tensor(1)?);
        check_dtype(1, w, x.dtype())?;
        let dtype = x.dtype();
        let (sizes, shape) = self.fit(x.shape(), w.shape())?;
        bounded_len(cx, dtype, &shape)?;
        let mut weights = floats(cx, 1)?;
        if self.transposed {
            weights = transposed(&weights, sizes.n, sizes.k);
        }
        let mut y = product(&sizes, &floats(cx, 0)?, &weights, |sum: f64, a, b| sum + a * b);
        if let Some(bias) = optional_floats(cx, 2)? {
            check_shape(2, cx.tensor(2)?, &[sizes.n])?;
            y.chunks_mut(sizes.n.max(1)).for_each(|row| row.iter_mut().zip(&bias).for_each(|(y, b)| *y += b));
        }
        if let Some(added) = optional_floats(cx, 3)? {
            check_shape(3, cx.tensor(3)?, &shape)?;
            y.iter_mut().zip(added).for_each(|(y, z)| *y += z);
        }
        if let Some(activation) = self.activation {
            let f = activation.function(self.parameters())?;
            y.iter_mut().for_each(|y| *y = f(*y));
        }
        let y = rounded(dtype, &shape, y)?;
        cx.set(0, y);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        let inner = io.input_shape(0).and_then(|x| x.dims().last());
        let (Some(inner), Some(y)) = (inner, io.output_shape(0)) else { return Cost::of_traffic(io) };
        Cost::of_macs(io, y.numel().mul(inner))
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        let mut map = AxisMap::opaque(io);
        let Some(roles) = map.outputs.first_mut() else { return map };
        let channels = roles.len().saturating_sub(1);
        let has_residual = io.inputs.get(3).is_some_and(Option::is_some);
        for (axis, role) in roles.iter_mut().enumerate().take(channels) {
            let mut sources = vec![(0, axis)];
            sources.extend(has_residual.then_some((3, axis)));
            *role = AxisRole::Independent(sources);
        }
        map
    }
}

impl CpuOp for Linear {
    fn choose(&self, io: &Signature<'_>, _isa: Isa) -> Option<Recipe> {
        self.kernel_activation().ok()?;
        let weights = io.constants.get(1).copied().flatten()?;
        let fits = are_f32(io, &[0, 1, 2, 3]) && weights.rank() == 2 && !weights.is_empty();
        fits.then(|| with_sizes(Recipe::new("linear"), "w", weights.shape()))
    }

    fn pack(&self, recipe: &Recipe, constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
        let (weights, sizes) = weights_of(recipe, constants)?;
        let [k, n] = self.matrix(&sizes)?;
        let data = weights.as_slice::<f32>()?;
        let matrix = if self.transposed { MatRef::transposed(&data, k) } else { MatRef::rows(&data, n) };
        Ok(Packed { blocks: vec![packed_b(k, n, matrix)?] })
    }

    fn packed_inputs(&self, _recipe: &Recipe) -> Vec<usize> {
        vec![1]
    }

    fn bind(&self, recipe: &Recipe, packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
        let weights = sizes_of(recipe, "w");
        let [k, n] = self.matrix(&weights)?;
        let fits =
            matches!(packed.blocks.as_slice(), [block] if PackedBRef::new(block.as_slice(), k, n).is_ok());
        if !fits {
            return Err(OpError::value("the packed weights do not belong to this recipe"));
        }
        Ok(Box::new(LinearKernel {
            op: self.clone(),
            activation: self.kernel_activation()?,
            weights,
            packed,
        }))
    }
}

struct LinearKernel {
    op: Linear,
    activation: gemm::Activation,
    /// Sizes of the packed weights.
    weights: Vec<usize>,
    packed: Arc<Packed>,
}

impl Kernel for LinearKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let (sizes, shape) = self.op.fit(cx.tensor(0)?.shape(), &self.weights)?;
        let ProductShape { m, k, n, .. } = sizes;
        let residual = cx.optional_tensor(3)?;
        if let Some(residual) = residual {
            check_shape(3, residual, &shape)?;
        }
        let bias = cx.optional_tensor(2)?;
        if let Some(bias) = bias {
            check_shape(2, bias, &[n])?;
        }
        // What is added is overwritten by the sum where nobody else needs it.
        let has_residual = residual.is_some();
        let mut y = if has_residual { cx.take_f32(3)? } else { cx.buffers.take(checked_len(&shape)?) };
        let x = cx.tensor(0)?.as_slice::<f32>()?;
        let bias = cx.optional_tensor(2)?.map(Tensor::as_slice::<f32>).transpose()?;
        let block = self.packed.blocks.first().map(lehr_kernels::AlignedVec::as_slice).unwrap_or_default();
        let weights = PackedBRef::new(block, k, n).map_err(refused)?;
        let epilogue = Epilogue {
            beta: if has_residual { 1.0 } else { 0.0 },
            bias: bias.as_deref().map_or(Bias::None, Bias::PerCol),
            activation: self.activation,
            ..Epilogue::default()
        };
        let a = MatRef::rows(&x, k);
        let mut scratch = cx.buffers.take(gemm_scratch_len(cx.team, k, a.col_stride));
        gemm(cx.team, cx.isa, m, n, k, a, weights, &mut y, n, &epilogue, &mut scratch);
        cx.buffers.give(scratch);
        drop((x, bias));
        cx.set(0, Tensor::from_vec(&shape, y)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    fn linear() -> Linear {
        Linear { activation: None, activation_params: None, transposed: false }
    }

    fn values(shape: &[usize]) -> Tensor {
        let len: usize = shape.iter().product();
        f32s(shape, &(0..len).map(|i| (i * 7 % 23) as f32 / 8.0 - 1.25).collect::<Vec<_>>())
    }

    #[test]
    fn product_bias_residual_and_function_in_this_order() {
        let op = Linear { activation: Some(Activation::Relu), ..linear() };
        Case::new(op)
            .input(f32s(&[2, 1, 2], &[1.0, 2.0, -1.0, 0.5]))
            .constant(f32s(&[2, 2], &[1.0, 0.0, 2.0, -1.0]))
            .constant(f32s(&[2], &[10.0, 20.0]))
            .input(f32s(&[2, 1, 2], &[1.0, 2.0, 3.0, -40.0]))
            .expect(f32s(&[2, 1, 2], &[16.0, 20.0, 13.0, 0.0]));
    }

    #[test]
    fn the_kernel_agrees_with_the_definition() {
        for (rows, k, n) in [(1, 5, 3), (7, 600, 33), (13, 40, 48)] {
            for transposed in [false, true] {
                let op = Linear { activation: Some(Activation::Gelu), transposed, ..linear() };
                let weights = if transposed { values(&[n, k]) } else { values(&[k, n]) };
                Case::new(op)
                    .input(values(&[1, rows, k]))
                    .constant(weights)
                    .constant(values(&[n]))
                    .input(values(&[1, rows, n]))
                    .tolerance(1e-4, 1e-4)
                    .agree();
            }
        }
    }

    #[test]
    fn no_rows() {
        for shape in [&[0, 5][..], &[2, 0, 5], &[0, 0, 5]] {
            let mut result = shape.to_vec();
            *result.last_mut().unwrap() = 3;
            let op = Linear { activation: Some(Activation::Gelu), ..linear() };
            let case = Case::new(op).input(values(shape)).constant(values(&[5, 3])).constant(values(&[3]));
            case.input(values(&result)).agree();
        }
    }

    #[test]
    fn misfits() {
        let x = values(&[2, 3]);
        Case::new(linear()).input(x.clone()).constant(values(&[4, 2])).expect_error("inner sizes differ");
        let residual = values(&[1, 2]);
        Case::new(linear())
            .input(x)
            .constant(values(&[3, 2]))
            .absent()
            .input(residual)
            .expect_error("expected shape [2, 2]");
    }
}
