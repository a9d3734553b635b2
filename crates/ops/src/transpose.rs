//! `Transpose`: <https://onnx.ai/onnx/operators/onnx__Transpose.html>

use lehr_graph::{AxisMap, EvalCx, InferCx, Op, OpError, Signature, declare_op};

use crate::movement::{Permute, move_elements};

declare_op! {
    /// The axes in another order.
    pub struct Transpose("", "Transpose", 25) inputs(1, 1) outputs(1, 1) flags(DATA_MOVEMENT) {
        /// Axis `i` of the output is axis `perm[i]` of the input; reversed order by default.
        perm: Option<Vec<i64>> = None,
    }
}

impl Transpose {
    /// The permutation for an input of that rank.
    ///
    /// # Errors
    /// `perm` is no permutation of its axes.
    pub fn resolved(&self, rank: usize) -> Result<Vec<usize>, OpError> {
        let Some(perm) = &self.perm else { return Ok((0..rank).rev().collect()) };
        let wrong = || OpError::attribute("perm", format!("{perm:?} does not permute {rank} axes"));
        if perm.len() != rank {
            return Err(wrong());
        }
        crate::axis::resolve_axes(perm, rank).map_err(|_| wrong())
    }
}

impl Op for Transpose {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let shape = match cx.shape(0) {
            Some(shape) => {
                let perm = self.resolved(shape.rank())?;
                Some(perm.iter().map(|&axis| shape.dims()[axis].clone()).collect())
            }
            None => self.perm.as_ref().map(|perm| lehr_graph::Shape::unknown(perm.len())),
        };
        cx.set_tensor(0, dtype, shape);
        if cx.rank(0).is_some_and(|rank| rank <= 1) {
            cx.set_known(0, cx.known(0));
        }
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let perm = self.resolved(x.rank())?;
        let shape: Vec<_> = perm.iter().map(|&axis| x.shape()[axis]).collect();
        let y = move_elements(&[x], &shape, &Permute::new(x.shape(), &perm))?;
        cx.set(0, y);
        Ok(())
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        match io.input_shape(0).map(|shape| self.resolved(shape.rank())) {
            Some(Ok(perm)) => AxisMap::permuted(0, &perm),
            _ => AxisMap::opaque(io),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn reverses_or_permutes() {
        let x = f32s(&[2, 1, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let y = [1.0, 4.0, 2.0, 5.0, 3.0, 6.0];
        Case::new(Transpose { perm: None }).input(x.clone()).expect(f32s(&[3, 1, 2], &y));
        Case::new(Transpose { perm: Some(vec![1, 2, 0]) }).input(x.clone()).expect(f32s(&[1, 3, 2], &y));
        Case::new(Transpose { perm: Some(vec![0, 0, 1]) }).input(x).expect_error("permute");
    }
}
