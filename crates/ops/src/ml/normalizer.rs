//! `Normalizer`: <https://onnx.ai/onnx/operators/onnx_aionnxml_Normalizer.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, attribute_enum, declare_op};
use lehr_tensor::{DataType, Tensor, Wide};

use super::scores::Examples;

attribute_enum! {
    /// What a row is divided by.
    pub enum Norm {
        /// Its largest element.
        Max = "MAX",
        /// The sum of its absolute values.
        L1 = "L1",
        /// The root of the sum of its squares.
        L2 = "L2",
    }
}

declare_op! {
    /// Divides every row by its norm, as `f32`; a row whose norm is zero stays.
    pub struct Normalizer("ai.onnx.ml", "Normalizer", 1) inputs(1, 1) outputs(1, 1) flags() {
        /// The norm.
        norm: Norm = Norm::Max,
    }
}

impl Op for Normalizer {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.require(0)?;
        cx.set_tensor(0, Some(DataType::F32), cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let shape = cx.tensor(0)?.shape();
        let x = Examples::new(cx, 0)?;
        let mut y = Vec::with_capacity(x.count * x.features);
        for row in x.iter() {
            let norm = match self.norm {
                Norm::Max => row.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                Norm::L1 => row.iter().map(|v| v.abs()).sum(),
                Norm::L2 => row.iter().map(|v| v * v).sum::<f64>().sqrt(),
            };
            let divisor = if norm == 0.0 { 1.0 } else { norm };
            y.extend(row.iter().map(|v| v / divisor));
        }
        cx.set(0, Tensor::narrow(DataType::F32, shape, Wide::F(y))?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    // Numbers of ONNX Runtime.
    #[test]
    fn three_norms() {
        let x = f32s(&[3, 2], &[-3.0, 1.0, 0.0, 0.0, 2.0, 1.0]);
        for (norm, y) in [
            (Norm::Max, [-3.0, 1.0, 0.0, 0.0, 1.0, 0.5]),
            (Norm::L1, [-0.75, 0.25, 0.0, 0.0, 0.6666667, 0.33333334]),
            (Norm::L2, [-0.94868326, 0.31622776, 0.0, 0.0, 0.8944272, 0.4472136]),
        ] {
            Case::new(Normalizer { norm }).input(x.clone()).expect(f32s(&[3, 2], &y));
        }
        Case::new(Normalizer { norm: Norm::L1 })
            .input(i64s(&[2], &[-3, 1]))
            .expect(f32s(&[2], &[-0.75, 0.25]));
    }
}
