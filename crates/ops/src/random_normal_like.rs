//! `RandomNormalLike`: <https://onnx.ai/onnx/operators/onnx__RandomNormalLike.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::DataType;

use crate::random;

declare_op! {
    /// Normally distributed random numbers in the shape of input 0.
    pub struct RandomNormalLike("", "RandomNormalLike", 22) inputs(1, 1) outputs(1, 1) flags(RANDOM, SHAPE_ONLY) {
        /// Mean.
        mean: f32 = 0.0,
        /// Standard deviation.
        scale: f32 = 1.0,
        /// Seed; that of the run without it.
        seed: Option<f32> = None,
        /// Element type; that of the input without it.
        dtype: Option<DataType> = None,
    }
}

impl Op for RandomNormalLike {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = self.dtype.or(cx.dtype(0)?);
        cx.set_tensor(0, dtype, cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (mean, scale) = (f64::from(self.mean), f64::from(self.scale));
        let x = cx.tensor(0)?;
        let dtype = self.dtype.unwrap_or(x.dtype());
        random::fill(cx, dtype, x.shape(), self.seed, |g| mean + scale * g.normal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, i64s};
    use lehr_graph::Datum;

    #[test]
    fn stays_in_its_range() {
        let case = Case::new(RandomNormalLike {
            mean: 5.0,
            scale: 0.0,
            seed: Some(1.0),
            dtype: Some(DataType::F32),
        });
        let outputs = case.input(i64s(&[2, 3], &[0; 6])).run(1).unwrap();
        let Some(Some(Datum::Tensor(y))) = outputs[0].1.first() else { panic!("no output") };
        assert_eq!(y.shape(), [2, 3]);
        assert!(y.to_f64s().unwrap().iter().all(|v| *v == 5.0));
    }
}
