//! `Gemm`: <https://onnx.ai/onnx/operators/onnx__Gemm.html>

use lehr_graph::{
    AxisMap, AxisRole, Cost, Dim, EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, Shape, Signature,
    declare_op,
};
use lehr_tensor::{Tensor, Wide, broadcast_shapes};

use crate::elementwise::{BroadcastIndex, common_dtype};
use crate::matrix_product::{ProductShape, product, transposed};

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
