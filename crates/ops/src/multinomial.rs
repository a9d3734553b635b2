//! `Multinomial`: <https://onnx.ai/onnx/operators/onnx__Multinomial.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, declare_op};
use lehr_tensor::{DataType, Tensor, Wide};

use crate::operand::bounded_len;
use crate::random::Generator;
use crate::softmax::softmax;

declare_op! {
    /// Classes drawn with the probabilities whose unnormalised logarithms are the rows of input 0.
    pub struct Multinomial("", "Multinomial", 22) inputs(1, 1) outputs(1, 1) flags(RANDOM) {
        /// Element type: i32 or i64.
        dtype: DataType = DataType::I32,
        /// Draws per row.
        sample_size: i64 = 1,
        /// Seed; that of the run without it.
        seed: Option<f32> = None,
    }
}

impl Multinomial {
    fn draws(&self) -> Result<usize, OpError> {
        usize::try_from(self.sample_size)
            .map_err(|_| OpError::attribute("sample_size", format!("{} is negative", self.sample_size)))
    }
}

impl Op for Multinomial {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.dtype(0)?;
        let draws = Dim::Fixed(self.draws()? as u64);
        let rows = match cx.shape(0) {
            Some(shape) if shape.rank() != 2 => {
                return Err(OpError::shape(format!("expected a matrix of rows of classes, got {shape}")));
            }
            Some(shape) => shape.get(0).cloned().unwrap_or(Dim::Unknown),
            None => Dim::Unknown,
        };
        cx.set_tensor(0, Some(self.dtype), Some([rows, draws].into_iter().collect::<Shape>()));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let (&[rows, classes], Wide::F(values)) = (x.shape(), x.widen()) else {
            return Err(OpError::shape(format!("expected a matrix of numbers, got {:?}", x.shape())));
        };
        if classes == 0 {
            return Err(OpError::shape("expected at least one class"));
        }
        let shape = [rows, self.draws()?];
        let len = bounded_len(cx, DataType::I64, &shape)?;
        let mut generator = Generator::new(cx, self.seed);
        let mut drawn = Vec::with_capacity(len);
        for row in values.chunks(classes) {
            let mut probabilities = row.to_vec();
            softmax(&mut probabilities);
            drawn.extend((0..shape[1]).map(|_| draw(&probabilities, generator.uniform())));
        }
        let y = Tensor::narrow(DataType::I64, &shape, Wide::I(drawn))?;
        cx.set(0, y.cast(self.dtype, Default::default())?);
        Ok(())
    }
}

/// The class into whose share of 0..1 `at` falls.
fn draw(probabilities: &[f64], at: f64) -> i64 {
    let mut sum = 0.0;
    let class = probabilities.iter().position(|p| {
        sum += p;
        at < sum
    });
    class.unwrap_or(probabilities.len() - 1) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn certain_outcomes() {
        let never = f32::NEG_INFINITY;
        let x = f32s(&[2, 3], &[never, 0.0, never, never, never, 5.0]);
        Case::new(Multinomial { dtype: DataType::I32, sample_size: 2, seed: None })
            .input(x)
            .expect(Tensor::from_slice(&[2, 2], &[1i32, 1, 2, 2]).unwrap());
        Case::new(Multinomial { dtype: DataType::I64, sample_size: -2, seed: None })
            .input(f32s(&[1, 1], &[0.0]))
            .expect_error("negative");
    }
}
