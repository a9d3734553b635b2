//! `Bernoulli`: <https://onnx.ai/onnx/operators/onnx__Bernoulli.html>

use lehr_graph::{Builder, InferCx, Op, OpError, declare_op};
use lehr_tensor::DataType;

use crate::cast::Cast;
use crate::less::Less;
use crate::random_uniform_like::RandomUniformLike;

declare_op! {
    /// 1 with the probability that the element of input 0 gives, else 0.
    pub struct Bernoulli("", "Bernoulli", 22) inputs(1, 1) outputs(1, 1) flags(RANDOM) {
        /// Element type; that of the input without it.
        dtype: Option<DataType> = None,
        /// Seed; that of the run without it.
        seed: Option<f32> = None,
    }
}

impl Op for Bernoulli {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = self.dtype.or(cx.dtype(0)?);
        cx.set_tensor(0, dtype, cx.shape(0).cloned());
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let x = builder.require(0)?;
        let to = match self.dtype {
            Some(dtype) => dtype,
            None => builder.dtype(x)?,
        };
        let draw = RandomUniformLike { low: 0.0, high: 1.0, seed: self.seed, dtype: None };
        let drawn = builder.call(draw, &[x])?;
        let hit = builder.call(Less {}, &[drawn, x])?;
        let y = builder.call(Cast::to(to), &[hit])?;
        builder.output(0, y);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn certain_outcomes() {
        let p = f32s(&[4], &[0.0, 1.0, 1.0, 0.0]);
        Case::new(Bernoulli { dtype: Some(DataType::I64), seed: None })
            .input(p.clone())
            .expect(i64s(&[4], &[0, 1, 1, 0]));
        Case::new(Bernoulli { dtype: None, seed: Some(3.0) }).input(p.clone()).expect(p);
    }
}
