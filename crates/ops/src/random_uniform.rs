//! `RandomUniform`: <https://onnx.ai/onnx/operators/onnx__RandomUniform.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::DataType;

use crate::random;

declare_op! {
    /// Uniformly distributed random numbers.
    pub struct RandomUniform("", "RandomUniform", 22) inputs(0, 0) outputs(1, 1) flags(RANDOM) {
        /// Least value.
        low: f32 = 0.0,
        /// Value that all stay below.
        high: f32 = 1.0,
        /// Seed; that of the run without it.
        seed: Option<f32> = None,
        /// Element type.
        dtype: DataType = DataType::F32,
        /// Sizes.
        shape: Vec<i64>,
    }
}

impl Op for RandomUniform {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let shape = random::sizes(&self.shape)?.into_iter().map(|n| Dim::Fixed(n as u64)).collect();
        cx.set_tensor(0, Some(self.dtype), Some(shape));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (low, high) = (f64::from(self.low), f64::from(self.high));
        let (dtype, shape) = (self.dtype, random::sizes(&self.shape)?);
        random::fill(cx, dtype, &shape, self.seed, |g| low + (high - low) * g.uniform())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_graph::Datum;

    #[test]
    fn stays_in_its_range() {
        let case = Case::new(RandomUniform {
            low: 2.0,
            high: 3.0,
            seed: Some(1.0),
            dtype: DataType::F32,
            shape: vec![2, 3],
        });
        let outputs = case.run(1).unwrap();
        let Some(Some(Datum::Tensor(y))) = outputs[0].1.first() else { panic!("no output") };
        assert_eq!(y.shape(), [2, 3]);
        assert!(y.to_f64s().unwrap().iter().all(|v| (2.0..3.0).contains(v)));
        Case::new(RandomUniform {
            low: 2.0,
            high: 3.0,
            seed: Some(1.0),
            dtype: DataType::F32,
            shape: vec![-1],
        })
        .expect_error("negative");
        Case::new(RandomUniform {
            low: 2.0,
            high: 3.0,
            seed: Some(1.0),
            dtype: DataType::F32,
            shape: vec![1 << 40],
        })
        .expect_error("allowed");
    }
}
