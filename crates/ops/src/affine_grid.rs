//! `AffineGrid`: <https://onnx.ai/onnx/operators/onnx__AffineGrid.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, declare_op};
use lehr_tensor::{Tensor, Wide};

use crate::movement::check_size;

declare_op! {
    /// Sampling positions `[N, D…, r]` for `GridSample`: the matrices in input 0 `[N, r, r+1]` applied to the centres
    /// of an output of size input 1 `(N, C, D…)`.
    pub struct AffineGrid("", "AffineGrid", 20) inputs(2, 2) outputs(1, 1) flags() {
        /// -1 and 1 are the centres of the outermost elements instead of their outer edges.
        align_corners: bool = false,
    }
}

impl Op for AffineGrid {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let shape = match cx.known(1).and_then(|size| size.to_shape()) {
            Some(size) => {
                let [n, _, inner @ ..] = size.dims() else {
                    return Err(OpError::shape(format!("the size is {size}, expected (N,C,D…)")));
                };
                let rank = Dim::from(inner.len());
                Some([n.clone()].into_iter().chain(inner.iter().cloned()).chain([rank]).collect())
            }
            None => cx.shape(1).and_then(|s| s.get(0)?.as_fixed()).filter(|&r| r <= 8).map(Shape::unknown),
        };
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let theta = cx.tensor(0)?;
        let size = cx.ints(1)?;
        let sizes: Option<Vec<usize>> = size.iter().map(|&s| usize::try_from(s).ok()).collect();
        let Some([n, _, inner @ ..]) = sizes.as_deref() else {
            return Err(OpError::value(format!("the size is {size:?}, expected (N,C,D…)")));
        };
        let r = inner.len();
        if !(2..=3).contains(&r) || theta.shape() != [*n, r, r + 1] {
            return Err(OpError::shape(format!(
                "expected matrices [{n},{r},{}] with 2 or 3 inner axes, got {:?}",
                r + 1,
                theta.shape()
            )));
        }
        let shape: Vec<usize> = [*n].into_iter().chain(inner.iter().copied()).chain([r]).collect();
        let len = check_size(cx.environment(), theta.dtype(), &shape)?;
        let matrices = theta.to_f64s()?;
        let mut out = Vec::with_capacity(len);
        if len > 0 {
            for matrix in matrices.chunks(r * (r + 1)) {
                self.fill(matrix, inner, &mut out);
            }
        }
        let y = Tensor::narrow(theta.dtype(), &shape, Wide::F(out))?;
        cx.set(0, y);
        Ok(())
    }
}

impl AffineGrid {
    fn centre(&self, index: usize, size: usize) -> f64 {
        match (self.align_corners, size) {
            (true, 1) => 0.0,
            (true, _) => 2.0 * index as f64 / (size - 1) as f64 - 1.0,
            (false, _) => (2 * index + 1) as f64 / size as f64 - 1.0,
        }
    }

    /// Appends the transformed centres of all elements; the coordinate of the last axis comes first.
    fn fill(&self, matrix: &[f64], sizes: &[usize], out: &mut Vec<f64>) {
        let r = sizes.len();
        for place in 0..sizes.iter().product() {
            let mut rest = place;
            let mut point: Vec<f64> = Vec::with_capacity(r + 1);
            for &size in sizes.iter().rev() {
                point.push(self.centre(rest % size, size));
                rest /= size;
            }
            point.push(1.0);
            out.extend(
                matrix.chunks(r + 1).map(|row| row.iter().zip(&point).map(|(a, b)| a * b).sum::<f64>()),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn identity_and_shift() {
        for (align_corners, want) in [
            (false, [0.5, -0.5, 1.5, -0.5, 0.5, 0.5, 1.5, 0.5]),
            (true, [0.0, -1.0, 2.0, -1.0, 0.0, 1.0, 2.0, 1.0]),
        ] {
            Case::new(AffineGrid { align_corners })
                .input(f32s(&[1, 2, 3], &[1.0, 0.0, 1.0, 0.0, 1.0, 0.0]))
                .constant(i64s(&[4], &[1, 3, 2, 2]))
                .expect(f32s(&[1, 2, 2, 2], &want));
        }
    }
}
