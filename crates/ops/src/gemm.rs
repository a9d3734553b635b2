//! `Gemm`: <https://onnx.ai/onnx/operators/onnx__Gemm.html>

use std::sync::Arc;

use lehr_graph::{
    AxisMap, AxisRole, Cost, Dim, EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, Shape, Signature,
    declare_op,
};
use lehr_kernels::Isa;
use lehr_kernels::gemm::{Bias, Epilogue, MatRef, PackedBRef, gemm, gemm_scratch_len};
use lehr_tensor::{Tensor, Wide, broadcast_shapes};

use crate::cpu::{CpuOp, Kernel, Packed, Recipe, RunCx, are_f32, refused, sizes_of, with_sizes};
use crate::elementwise::{BroadcastIndex, common_dtype};
use crate::matrix_product::{ProductShape, product, transposed};
use crate::operand::check_shape;
use crate::product_kernel::packed_b;

declare_op! {
    #[allow(non_snake_case, reason = "the attribute names of the specification")]
    /// `alpha · A' · B' + beta · C` of two matrices, each transposed on demand; C broadcasts to the product.
    pub struct Gemm("", "Gemm", 13) inputs(2, 3) outputs(1, 1) flags() read(Self::read) {
        /// Factor of the product.
        alpha: f32 = 1.0,
        /// Factor of C.
        beta: f32 = 1.0,
        /// A is transposed.
        transA: bool = false,
        /// B is transposed.
        transB: bool = false,
    }
}

impl Gemm {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        // Before opset 7, `broadcast` only allowed what is always allowed now.
        let op = Self::from_attributes(cx.attributes())?;
        cx.emit_same(op)
    }

    /// Sizes m, k, n as dimensions, while both shapes are known.
    fn dims<'a>(&self, a: &'a Shape, b: &'a Shape) -> Result<[&'a Dim; 3], OpError> {
        let ([a0, a1], [b0, b1]) = (a.dims(), b.dims()) else {
            return Err(OpError::shape(format!("expected two matrices, got {a} and {b}")));
        };
        let (m, k) = if self.transA { (a1, a0) } else { (a0, a1) };
        let (b_k, n) = if self.transB { (b1, b0) } else { (b0, b1) };
        if k.equal(b_k) == Some(false) {
            return Err(OpError::shape(format!("inner sizes differ: {k} of {a} and {b_k} of {b}")));
        }
        Ok([m, k, n])
    }

    /// Inner size and columns of a B of this shape.
    fn sizes_of_b(&self, b: &[usize]) -> Result<(usize, usize), OpError> {
        match *b {
            [n, k] if self.transB => Ok((k, n)),
            [k, n] => Ok((k, n)),
            _ => Err(OpError::shape(format!("input 1: expected a matrix, got shape {b:?}"))),
        }
    }

    fn matrix_b<'a>(&self, data: &'a [f32], k: usize, n: usize) -> MatRef<'a> {
        if self.transB { MatRef::transposed(data, k) } else { MatRef::rows(data, n) }
    }

    /// Fixed sizes of the product.
    pub(crate) fn sizes(&self, a: &[usize], b: &[usize]) -> Result<ProductShape, OpError> {
        let swap = |s: &[usize], swap: bool| match *s {
            [x, y] if swap => Ok([y, x]),
            [x, y] => Ok([x, y]),
            _ => Err(OpError::shape(format!("expected a matrix, got shape {s:?}"))),
        };
        ProductShape::new(&swap(a, self.transA)?, &swap(b, self.transB)?)
    }
}

impl Op for Gemm {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = common_dtype(cx)?;
        let (Some(a), Some(b)) = (cx.shape(0), cx.shape(1)) else {
            cx.set_tensor(0, dtype, Some(Shape::unknown(2)));
            return Ok(());
        };
        let [m, _, n] = self.dims(a, b)?;
        let shape = Shape::from([m.clone(), n.clone()]);
        if let Some(c) = cx.shape(2) {
            let together =
                Shape::broadcast(&[&shape, c]).map_err(|e| OpError::shape(format!("input 2: {e}")))?;
            if together.rank() > 2 {
                return Err(OpError::shape(format!("input 2: expected at most rank 2, got {c}")));
            }
        }
        cx.set_tensor(0, dtype, Some(shape));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (a, b) = (cx.tensor(0)?, cx.tensor(1)?);
        let shape = self.sizes(a.shape(), b.shape())?;
        let c = cx.optional_tensor(2)?;
        if let Some(c) = c
            && broadcast_shapes(&[c.shape(), &shape.output])? != shape.output
        {
            return Err(OpError::shape(format!(
                "input 2: {:?} does not broadcast to {:?}",
                c.shape(),
                shape.output
            )));
        }
        let wide = self.compute(&shape, a, b, c)?;
        cx.set(0, Tensor::narrow(a.dtype(), &shape.output, wide)?);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        let macs = match (io.input_shape(0), io.input_shape(1)) {
            (Some(a), Some(b)) => self.dims(a, b).map_or(Dim::Unknown, |[m, k, n]| m.mul(k).mul(n)),
            _ => Dim::Unknown,
        };
        Cost::of_macs(io, macs)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        let (m, k) = if self.transA { (1, 0) } else { (0, 1) };
        let (b_k, n) = if self.transB { (1, 0) } else { (0, 1) };
        let mut roles = [vec![(0, m)], vec![(1, n)]];
        if let Some(c) = io.input_shape(2) {
            for (axis, role) in roles.iter_mut().enumerate() {
                let own = (axis + c.rank()).checked_sub(2);
                role.extend(own.filter(|&own| c.get(own) != Some(&Dim::Fixed(1))).map(|own| (2, own)));
            }
        }
        let roles = roles.into_iter().map(AxisRole::Independent).collect();
        AxisMap { outputs: vec![roles], reduced: vec![(0, k), (1, b_k)] }
    }
}

impl Gemm {
    fn compute(
        &self,
        shape: &ProductShape,
        a: &Tensor,
        b: &Tensor,
        c: Option<&Tensor>,
    ) -> Result<Wide, OpError> {
        let (alpha, beta) = (f64::from(self.alpha), f64::from(self.beta));
        let c_wide = c.map(Tensor::widen);
        let at: Vec<usize> =
            c.map(|c| BroadcastIndex::new(c.shape(), &shape.output).collect()).unwrap_or_default();
        match (a.widen(), b.widen(), c_wide) {
            (Wide::F(a), Wide::F(b), None) => Ok(Wide::F(self.floats(shape, &a, &b, alpha))),
            (Wide::F(a), Wide::F(b), Some(Wide::F(c))) => {
                let mut y = self.floats(shape, &a, &b, alpha);
                y.iter_mut().zip(at).for_each(|(y, at)| *y += beta * c[at]);
                Ok(Wide::F(y))
            }
            (Wide::I(a), Wide::I(b), c) => {
                let (a, b) = self.arranged(shape, a, b);
                let mut y = product(shape, &a, &b, |c: i64, a, b| c.wrapping_add(a.wrapping_mul(b)));
                y.iter_mut().for_each(|y| *y = scaled(self.alpha, *y));
                if let Some(Wide::I(c)) = c {
                    y.iter_mut().zip(at).for_each(|(y, at)| *y = y.wrapping_add(scaled(self.beta, c[at])));
                }
                Ok(Wide::I(y))
            }
            (Wide::U(a), Wide::U(b), c) => {
                let (a, b) = self.arranged(shape, a, b);
                let mut y = product(shape, &a, &b, |c: u64, a, b| c.wrapping_add(a.wrapping_mul(b)));
                let factor = |f: f32, v: u64| scaled(f, v.cast_signed()).cast_unsigned();
                y.iter_mut().for_each(|y| *y = factor(self.alpha, *y));
                if let Some(Wide::U(c)) = c {
                    y.iter_mut().zip(at).for_each(|(y, at)| *y = y.wrapping_add(factor(self.beta, c[at])));
                }
                Ok(Wide::U(y))
            }
            _ => Err(OpError::input_type(0, "one numeric type for all inputs", a.dtype())),
        }
    }

    fn floats(&self, shape: &ProductShape, a: &[f64], b: &[f64], alpha: f64) -> Vec<f64> {
        let (a, b) = self.arranged(shape, a.to_vec(), b.to_vec());
        let mut y = product(shape, &a, &b, |c: f64, a, b| c + a * b);
        y.iter_mut().for_each(|y| *y *= alpha);
        y
    }

    fn arranged<T: Copy>(&self, shape: &ProductShape, a: Vec<T>, b: Vec<T>) -> (Vec<T>, Vec<T>) {
        let a = if self.transA { transposed(&a, shape.k, shape.m) } else { a };
        let b = if self.transB { transposed(&b, shape.n, shape.k) } else { b };
        (a, b)
    }
}

impl CpuOp for Gemm {
    fn choose(&self, io: &Signature<'_>, _isa: Isa) -> Option<Recipe> {
        if !are_f32(io, &[0, 1, 2]) {
            return None;
        }
        let recipe = Recipe::new("gemm");
        match io.constants.get(1).copied().flatten().filter(|b| b.rank() == 2 && !b.is_empty()) {
            Some(b) => Some(with_sizes(recipe, "b", b.shape())),
            None => Some(recipe),
        }
    }

    fn pack(&self, recipe: &Recipe, constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
        let sizes = sizes_of(recipe, "b");
        if sizes.is_empty() {
            return Ok(Packed::default());
        }
        let b = constants.get(1).copied().flatten().ok_or(OpError::MissingInput { index: 1 })?;
        check_shape(1, b, &sizes)?;
        let (k, n) = self.sizes_of_b(b.shape())?;
        Ok(Packed { blocks: vec![packed_b(k, n, self.matrix_b(&b.as_slice::<f32>()?, k, n))?] })
    }

    fn packed_inputs(&self, recipe: &Recipe) -> Vec<usize> {
        if recipe.get("b") > 0 { vec![1] } else { Vec::new() }
    }

    fn bind(&self, recipe: &Recipe, packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
        let b = sizes_of(recipe, "b");
        if b.is_empty() != packed.blocks.is_empty() {
            return Err(OpError::value("the packed matrix does not belong to this recipe"));
        }
        Ok(Box::new(GemmKernel { op: self.clone(), b, packed }))
    }
}

struct GemmKernel {
    op: Gemm,
    /// Sizes of the packed B; empty when B comes at run time.
    b: Vec<usize>,
    packed: Arc<Packed>,
}

impl Kernel for GemmKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let b_shape = if self.b.is_empty() { cx.tensor(1)?.shape().to_vec() } else { self.b.clone() };
        let shape = self.op.sizes(cx.tensor(0)?.shape(), &b_shape)?;
        let ProductShape { m, k, n, .. } = shape;
        let beta = self.op.beta;
        let addend =
            cx.optional_tensor(2)?.filter(|_| beta != 0.0).map(|c| Addend::of(c, m, n)).transpose()?;
        let len = lehr_tensor::checked_len(&shape.output)?;
        let mut y = match addend {
            Some(Addend::Matrix) => cx.take_f32(2)?,
            _ => cx.buffers.take(len),
        };
        if len > 0 {
            let bias = addend.map_or(Ok(Vec::new()), |addend| addend.vector(cx, beta, n))?;
            let epilogue = Epilogue {
                alpha: self.op.alpha,
                beta: if matches!(addend, Some(Addend::Matrix)) { beta } else { 0.0 },
                bias: match addend {
                    Some(Addend::Rows) => Bias::PerRow(&bias),
                    Some(Addend::Columns) => Bias::PerCol(&bias),
                    Some(Addend::Matrix) | None => Bias::None,
                },
                ..Epilogue::default()
            };
            let a = cx.tensor(0)?.as_slice::<f32>()?;
            let a = if self.op.transA { MatRef::transposed(&a, m) } else { MatRef::rows(&a, k) };
            let repacked;
            let block = match self.packed.blocks.first() {
                Some(block) => block,
                None => {
                    repacked = packed_b(k, n, self.op.matrix_b(&cx.tensor(1)?.as_slice::<f32>()?, k, n))?;
                    &repacked
                }
            };
            let b = PackedBRef::new(block.as_slice(), k, n).map_err(refused)?;
            let mut scratch = cx.buffers.take(gemm_scratch_len(cx.team, k, a.col_stride));
            gemm(cx.team, cx.isa, m, n, k, a, b, &mut y, n, &epilogue, &mut scratch);
            cx.buffers.give(scratch);
        }
        cx.set(0, Tensor::from_vec(&shape.output, y)?);
        Ok(())
    }
}

/// How C is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Addend {
    /// One value for each row.
    Rows,
    /// One value for each column, or for all.
    Columns,
    /// One value for each element.
    Matrix,
}

impl Addend {
    fn of(c: &Tensor, m: usize, n: usize) -> Result<Self, OpError> {
        match *c.shape() {
            [] | [1] | [1, 1] => Ok(Self::Columns),
            [columns] | [1, columns] if columns == n => Ok(Self::Columns),
            [rows, columns] if rows == m && columns == n => Ok(Self::Matrix),
            [rows, 1] if rows == m => Ok(Self::Rows),
            _ => Err(OpError::shape(format!("input 2: {:?} does not broadcast to [{m}, {n}]", c.shape()))),
        }
    }

    /// The values that are added to rows or columns.
    fn vector(self, cx: &RunCx<'_>, beta: f32, n: usize) -> Result<Vec<f32>, OpError> {
        if self == Self::Matrix {
            return Ok(Vec::new());
        }
        let c = cx.tensor(2)?.as_slice::<f32>()?;
        let scaled: Vec<f32> = c.iter().map(|v| v * beta).collect();
        match scaled[..] {
            [only] if self == Self::Columns => Ok(vec![only; n]),
            _ => Ok(scaled),
        }
    }
}

/// An integer times a real factor, truncated; exact for the usual factor 1.
fn scaled(factor: f32, value: i64) -> i64 {
    if factor == 1.0 { value } else { (f64::from(factor) * value as f64) as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn transposes_scales_and_broadcasts() {
        let a = f32s(&[3, 2], &[1., 4., 2., 5., 3., 6.]);
        let b = f32s(&[2, 3], &[1., 0., 1., 0., 1., 1.]);
        let op = Gemm { alpha: 0.5, beta: 2.0, transA: true, transB: true };
        for c in [f32s(&[2], &[1., 2.]), f32s(&[1, 2], &[1., 2.])] {
            let y = f32s(&[2, 2], &[4., 6.5, 7., 9.5]);
            Case::new(op.clone()).input(a.clone()).constant(b.clone()).constant(c.clone()).expect(y.clone());
            Case::new(op.clone()).input(a.clone()).input(b.clone()).input(c).expect(y);
        }
        Case::new(op.clone())
            .input(a.clone())
            .input(b.clone())
            .input(f32s(&[2, 1], &[1., 2.]))
            .expect(f32s(&[2, 2], &[4., 4.5, 9., 9.5]));
        Case::new(op.clone()).input(a.clone()).input(b.clone()).expect(f32s(&[2, 2], &[2., 2.5, 5., 5.5]));
        Case::new(op).input(a).input(b).input(f32s(&[3], &[0.; 3])).expect_error("");
        let i = |shape: &[usize], v: &[i32]| Tensor::from_slice(shape, v).unwrap();
        Case::new(Gemm { alpha: 1.0, beta: 1.0, transA: false, transB: false })
            .input(i(&[1, 2], &[2, 3]))
            .input(i(&[2, 1], &[4, 5]))
            .input(i(&[], &[-1]))
            .expect(i(&[1, 1], &[22]));
    }
}
