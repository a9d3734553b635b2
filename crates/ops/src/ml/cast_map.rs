//! `CastMap`: <https://onnx.ai/onnx/operators/onnx_aionnxml_CastMap.html>

use lehr_graph::{Datum, Dim, EvalCx, InferCx, Op, OpError, attribute_enum, declare_op};
use lehr_tensor::{CastOptions, DataType, Tensor};

use super::maps::{Entries, map_input};

attribute_enum! {
    /// Element type of the output.
    pub enum CastTo {
        /// `f32`.
        Float = "TO_FLOAT",
        /// Text.
        String = "TO_STRING",
        /// `i64`.
        Int64 = "TO_INT64",
    }
}

attribute_enum! {
    /// Where the values go.
    pub enum MapForm {
        /// One after the other, ordered by key.
        Dense = "DENSE",
        /// To the place that the key says, among zeros.
        Sparse = "SPARSE",
    }
}

declare_op! {
    /// The values of a map with integer keys as a tensor of shape `[1, n]`.
    pub struct CastMap("ai.onnx.ml", "CastMap", 1) inputs(1, 1) outputs(1, 1) flags() {
        /// Length of the sparse output.
        max_map: i64 = 1,
        /// Where the values go.
        map_form: MapForm = MapForm::Dense,
        /// Element type of the output.
        cast_to: CastTo = CastTo::Float,
    }
}

impl CastMap {
    fn dtype(&self) -> DataType {
        match self.cast_to {
            CastTo::Float => DataType::F32,
            CastTo::String => DataType::String,
            CastTo::Int64 => DataType::I64,
        }
    }
}

impl Op for CastMap {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.require(0)?;
        let len = match self.map_form {
            MapForm::Dense => Dim::Unknown,
            MapForm::Sparse => u64::try_from(self.max_map).map_or(Dim::Unknown, Dim::Fixed),
        };
        cx.set_tensor(0, Some(self.dtype()), Some([Dim::Fixed(1), len].into_iter().collect()));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let map = map_input(cx, 0)?;
        let keys = map.keys.to_i64s()?;
        let entries = Entries::new(map)?;
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by_key(|&at| keys[at]);
        let dense = match self.map_form {
            MapForm::Dense => {
                let places: Vec<_> = order.iter().map(|&at| Some(at)).collect();
                entries.placed(&places)?
            }
            MapForm::Sparse => {
                let len = usize::try_from(self.max_map).map_err(|_| {
                    OpError::attribute("max_map", format!("expected a length, got {}", self.max_map))
                })?;
                crate::window_function::check_bytes(cx, &[len], DataType::F64)?;
                let mut places = vec![None; len];
                for &at in &order {
                    match usize::try_from(keys[at]).ok().and_then(|k| places.get_mut(k)) {
                        Some(place) => *place = Some(at),
                        None => {
                            return Err(OpError::value(format!(
                                "key {} is outside the {len} places",
                                keys[at]
                            )));
                        }
                    }
                }
                entries.placed(&places)?
            }
        };
        let y = dense.cast(self.dtype(), CastOptions::default())?;
        cx.set(0, Datum::Tensor(Tensor::reshape(&y, &[1, y.len()])?));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::maps::map;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn dense_and_sparse() {
        let x = || map(i64s(&[2], &[3, 1]), f32s(&[2], &[30.0, 10.0]));
        let op = CastMap { max_map: 4, map_form: MapForm::Dense, cast_to: CastTo::Float };
        Case::new(op.clone()).input(x()).expect(f32s(&[1, 2], &[10.0, 30.0]));
        Case::new(CastMap { map_form: MapForm::Sparse, cast_to: CastTo::Int64, ..op })
            .input(x())
            .expect(i64s(&[1, 4], &[0, 10, 0, 30]));
    }
}
