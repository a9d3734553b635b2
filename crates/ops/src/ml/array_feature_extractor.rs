//! `ArrayFeatureExtractor`: <https://onnx.ai/onnx/operators/onnx_aionnxml_ArrayFeatureExtractor.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, declare_op};

use super::lookup::pick;

declare_op! {
    /// The entries of the last axis of input 0 that input 1 names; a vector gives a matrix of one row.
    pub struct ArrayFeatureExtractor("ai.onnx.ml", "ArrayFeatureExtractor", 1) inputs(2, 2) outputs(1, 1)
    flags(DATA_MOVEMENT) {}
}

impl Op for ArrayFeatureExtractor {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let picked = cx.shape(1).map_or(Dim::Unknown, Shape::numel);
        let shape = cx.shape(0).map(|shape| match shape.dims() {
            [] | [_] => vec![Dim::Fixed(1), picked],
            [outer @ .., _] => outer.iter().cloned().chain([picked]).collect(),
        });
        cx.set_tensor(0, dtype, shape.map(Shape::from_iter));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let indices = cx.ints(1)?;
        let Some((&last, outer)) = x.shape().split_last() else {
            return Err(OpError::shape("input 0: expected at least rank 1, got a scalar"));
        };
        let mut columns = Vec::with_capacity(indices.len());
        for &at in &indices {
            match usize::try_from(at) {
                Ok(at) if at < last => columns.push(at),
                _ => return Err(OpError::value(format!("index {at} is out of range for {last} features"))),
            }
        }
        let mut shape = if outer.is_empty() { vec![1] } else { outer.to_vec() };
        shape.push(columns.len());
        crate::window_function::check_bytes(cx, &shape, x.dtype())?;
        let rows: usize = outer.iter().product();
        let places: Vec<_> = (0..rows).flat_map(|row| columns.iter().map(move |c| row * last + c)).collect();
        cx.set(0, pick(x, &places, &shape)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn columns_of_matrices_and_vectors() {
        Case::new(ArrayFeatureExtractor {})
            .input(f32s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
            .input(i64s(&[1, 3], &[1, 0, 1]))
            .expect(f32s(&[2, 3], &[2.0, 1.0, 2.0, 4.0, 3.0, 4.0]));
        Case::new(ArrayFeatureExtractor {})
            .input(f32s(&[2], &[1.0, 2.0]))
            .input(i64s(&[1], &[1]))
            .expect(f32s(&[1, 1], &[2.0]));
    }
}
