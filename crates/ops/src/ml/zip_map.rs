//! `ZipMap`: <https://onnx.ai/onnx/operators/onnx_aionnxml_ZipMap.html>

use lehr_graph::datum::MapDatum;
use lehr_graph::{Datum, EvalCx, InferCx, Op, OpError, Shape, ValueType, declare_op};
use lehr_tensor::{DataType, Tensor};

use super::scores::Examples;

declare_op! {
    /// One map per row of the input, from the labels to the elements of the row.
    pub struct ZipMap("ai.onnx.ml", "ZipMap", 1) inputs(1, 1) outputs(1, 1) flags() {
        /// Integer keys.
        classlabels_int64s: Option<Vec<i64>> = None,
        /// Text keys.
        classlabels_strings: Option<Vec<String>> = None,
    }
}

impl ZipMap {
    fn keys(&self) -> Result<Tensor, OpError> {
        match (self.classlabels_int64s.as_deref(), self.classlabels_strings.as_deref()) {
            (_, Some(texts @ [_, ..])) => Ok(Tensor::from_strings(&[texts.len()], texts.to_vec())?),
            (Some(numbers @ [_, ..]), _) => Ok(Tensor::vector(numbers.to_vec())),
            _ => Err(OpError::attribute(
                "classlabels_int64s",
                "expected labels here or in 'classlabels_strings'",
            )),
        }
    }
}

impl Op for ZipMap {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.require(0)?;
        let value = Box::new(ValueType::tensor(DataType::F32, Shape::new()));
        let map = ValueType::Map { key: self.keys()?.dtype(), value };
        cx.set(0, ValueType::Sequence(Box::new(map)));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let keys = self.keys()?;
        let x = Examples::new(cx, 0)?;
        if x.features != keys.len() {
            return Err(OpError::shape(format!("expected {} columns, got {}", keys.len(), x.features)));
        }
        let maps = x.iter().map(|row| {
            let values = row.iter().map(|&v| Datum::Tensor(Tensor::scalar(v as f32))).collect();
            Datum::Map(MapDatum { keys: keys.clone(), values })
        });
        let maps = maps.collect();
        cx.set(0, Datum::Sequence(maps));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::maps::map;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn one_map_per_row() {
        let row = |values: &[f32]| map(i64s(&[2], &[3, 4]), f32s(&[2], values));
        Case::new(ZipMap { classlabels_int64s: Some(vec![3, 4]), classlabels_strings: None })
            .input(f32s(&[2, 2], &[1.0, 2.0, -1.0, 0.5]))
            .expect(Datum::Sequence(vec![row(&[1.0, 2.0]), row(&[-1.0, 0.5])]));
    }
}
