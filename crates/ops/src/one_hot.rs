//! `OneHot`: <https://onnx.ai/onnx/operators/onnx__OneHot.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, declare_op};
use lehr_tensor::Tensor;

use crate::axis::resolve_axis;
use crate::movement::{Movement, check_size, count, move_elements};

declare_op! {
    /// For each index in input 0 a vector of length `depth` (input 1) along a new axis, with the second of the values
    /// (input 2) at the index and the first one everywhere else.
    pub struct OneHot("", "OneHot", 28) inputs(3, 3) outputs(1, 1) flags() {
        /// Where the new axis goes in the output; may be negative.
        axis: i64 = -1,
    }
}

impl Op for OneHot {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(2)?;
        let depth = match cx.constant(1) {
            Some(depth) => Dim::from(depth_of(depth)?),
            None => cx.known(1).and_then(|k| k.sole().map(|d| d.to_dim())).unwrap_or(Dim::Unknown),
        };
        let shape = match cx.shape(0) {
            Some(shape) => {
                let axis = resolve_axis(self.axis, shape.rank() + 1)?;
                let (before, behind) = shape.dims().split_at(axis);
                Some(before.iter().cloned().chain([depth]).chain(behind.iter().cloned()).collect::<Shape>())
            }
            None => None,
        };
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (indices, values) = (cx.tensor(0)?, cx.tensor(2)?);
        let depth = depth_of(cx.tensor(1)?)?;
        if values.len() != 2 {
            return Err(OpError::shape(format!("expected 2 values, got {}", values.len())));
        }
        let axis = resolve_axis(self.axis, indices.rank() + 1)?;
        let (before, behind) = indices.shape().split_at(axis);
        let shape = [before, &[depth], behind].concat();
        let len = check_size(cx.environment(), values.dtype(), &shape)?;
        let size = depth as f64;
        let hot = indices
            .to_f64s()?
            .into_iter()
            // Fractions are dropped; an index outside of [-depth, depth) is hot nowhere.
            .map(|index| {
                let index = index.trunc();
                let index = if index < 0.0 { index + size } else { index };
                (index >= 0.0 && index < size).then_some(index as usize)
            })
            .collect();
        let fill = Hot { hot, depth, inner: count(behind), len };
        let y = move_elements(&[values], &shape, &fill)?;
        cx.set(0, y);
        Ok(())
    }
}

fn depth_of(depth: &Tensor) -> Result<usize, OpError> {
    match depth.to_f64s()?[..] {
        [depth] if (0.0..9e15).contains(&depth) => Ok(depth as usize),
        [depth] => Err(OpError::value(format!("depth is {depth}, expected at least 0"))),
        ref other => Err(OpError::shape(format!("depth needs one element, got {}", other.len()))),
    }
}

struct Hot {
    hot: Vec<Option<usize>>,
    depth: usize,
    inner: usize,
    len: usize,
}

impl Movement for Hot {
    fn apply<T: Clone + Default>(&self, sources: &[&[T]]) -> Result<Vec<T>, OpError> {
        let [[off, on]] = sources else { return Err(OpError::MissingInput { index: 2 }) };
        let mut out = vec![off.clone(); self.len];
        for (at, index) in self.hot.iter().enumerate() {
            let Some(index) = index else { continue };
            out[(at / self.inner * self.depth + index) * self.inner + at % self.inner] = on.clone();
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn new_axis_last_or_first() {
        let (indices, depth) = (i64s(&[3], &[1, -1, 5]), Tensor::scalar(3i64));
        let values = f32s(&[2], &[0.0, 2.0]);
        Case::new(OneHot { axis: -1 })
            .input(indices.clone())
            .constant(depth.clone())
            .input(values.clone())
            .expect(f32s(&[3, 3], &[0.0, 2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0]));
        Case::new(OneHot { axis: 0 })
            .input(indices)
            .input(depth)
            .input(values)
            .expect(f32s(&[3, 3], &[0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0, 0.0]));
    }
}
