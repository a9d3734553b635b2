//! `ReverseSequence`: <https://onnx.ai/onnx/operators/onnx__ReverseSequence.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::movement::{Blocks, count, move_elements};

declare_op! {
    /// Each sequence of a batch reversed up to its own length (input 1), the rest unchanged.
    pub struct ReverseSequence("", "ReverseSequence", 28) inputs(2, 2) outputs(1, 1) flags(DATA_MOVEMENT) {
        /// 0 or 1: the axis of the sequences of the batch.
        batch_axis: i64 = 1,
        /// 0 or 1: the axis of time.
        time_axis: i64 = 0,
    }
}

impl Op for ReverseSequence {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        cx.set_tensor(0, dtype, cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let &[first, second, ref inner @ ..] = x.shape() else {
            return Err(OpError::shape(format!("expected at least 2 axes, got {}", x.rank())));
        };
        let batch_first = match (self.batch_axis, self.time_axis) {
            (0, 1) => true,
            (1, 0) => false,
            (b, t) => {
                return Err(OpError::attribute(
                    "time_axis",
                    format!("is {t} with batch_axis {b}, expected 0 and 1 in either order"),
                ));
            }
        };
        let (batch, time) = if batch_first { (first, second) } else { (second, first) };
        let lengths = cx.ints(1)?;
        if lengths.len() != batch {
            return Err(OpError::shape(format!("{} lengths for a batch of {batch}", lengths.len())));
        }
        let lengths: Vec<usize> = lengths
            .into_iter()
            .map(|n| {
                usize::try_from(n)
                    .ok()
                    .filter(|&n| n <= time)
                    .ok_or_else(|| OpError::value(format!("length {n} is out of range for {time} steps")))
            })
            .collect::<Result<_, _>>()?;
        if x.is_empty() {
            cx.set(0, x.clone());
            return Ok(());
        }
        let block = count(inner);
        let starts: Vec<usize> = (0..first)
            .flat_map(|i| (0..second).map(move |j| (i, j)))
            .map(|(i, j)| {
                let (b, t) = if batch_first { (i, j) } else { (j, i) };
                let t = if t < lengths[b] { lengths[b] - 1 - t } else { t };
                (if batch_first { b * second + t } else { t * second + b }) * block
            })
            .collect();
        let y = move_elements(&[x], x.shape(), &Blocks { starts: &starts, block })?;
        cx.set(0, y);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, i64s};

    #[test]
    fn both_orders_of_axes() {
        let lengths = i64s(&[2], &[3, 1]);
        Case::new(ReverseSequence { batch_axis: 0, time_axis: 1 })
            .input(i64s(&[2, 3], &[1, 2, 3, 4, 5, 6]))
            .input(lengths.clone())
            .expect(i64s(&[2, 3], &[3, 2, 1, 4, 5, 6]));
        Case::new(ReverseSequence { batch_axis: 1, time_axis: 0 })
            .input(i64s(&[3, 2], &[1, 4, 2, 5, 3, 6]))
            .input(lengths)
            .expect(i64s(&[3, 2], &[3, 4, 2, 5, 1, 6]));
    }
}
