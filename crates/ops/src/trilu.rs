//! `Trilu`: <https://onnx.ai/onnx/operators/onnx__Trilu.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::movement::{Movement, move_elements};

declare_op! {
    /// The upper or lower triangle of the last two axes, zero elsewhere; input 1 shifts the diagonal.
    pub struct Trilu("", "Trilu", 14) inputs(1, 2) outputs(1, 1) flags() {
        /// The upper triangle instead of the lower one.
        upper: bool = true,
    }
}

impl Op for Trilu {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        if let Some(rank) = cx.rank(0).filter(|&rank| rank < 2) {
            return Err(OpError::shape(format!("expected at least 2 axes, got {rank}")));
        }
        cx.set_tensor(0, dtype, cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let &[.., rows, columns] = x.shape() else {
            return Err(OpError::shape(format!("expected at least 2 axes, got {}", x.rank())));
        };
        let shift = match cx.optional_ints(1)?.as_deref() {
            None => 0,
            Some([k]) => *k,
            Some(other) => return Err(OpError::shape(format!("k needs one element, got {}", other.len()))),
        };
        let triangle = Triangle { rows, columns, shift, upper: self.upper };
        let y = move_elements(&[x], x.shape(), &triangle)?;
        cx.set(0, y);
        Ok(())
    }
}

struct Triangle {
    rows: usize,
    columns: usize,
    shift: i64,
    upper: bool,
}

impl Movement for Triangle {
    fn apply<T: Clone + Default>(&self, sources: &[&[T]]) -> Result<Vec<T>, OpError> {
        let [source] = sources else { return Err(OpError::MissingInput { index: 0 }) };
        let mut out = source.to_vec();
        let width = self.columns as i128;
        for (at, row) in out.chunks_mut(self.columns.max(1)).enumerate() {
            // The upper triangle starts at the diagonal, the lower one ends behind it.
            let diagonal = (at % self.rows) as i128 + i128::from(self.shift) + i128::from(!self.upper);
            let (left, right) = row.split_at_mut(diagonal.clamp(0, width) as usize);
            let dropped = if self.upper { left } else { right };
            dropped.fill(T::default());
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, i64s};

    #[test]
    fn both_triangles_shifted() {
        let x = i64s(&[2, 3], &[1, 2, 3, 4, 5, 6]);
        for (upper, k, want) in [
            (true, 0, [1, 2, 3, 0, 5, 6]),
            (true, 1, [0, 2, 3, 0, 0, 6]),
            (false, 0, [1, 0, 0, 4, 5, 0]),
            (false, -1, [0, 0, 0, 4, 0, 0]),
            (true, i64::MIN, [1, 2, 3, 4, 5, 6]),
        ] {
            Case::new(Trilu { upper }).input(x.clone()).input(i64s(&[], &[k])).expect(i64s(&[2, 3], &want));
        }
    }
}
