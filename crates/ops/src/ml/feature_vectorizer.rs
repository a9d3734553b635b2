//! `FeatureVectorizer`: <https://onnx.ai/onnx/operators/onnx_aionnxml_FeatureVectorizer.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::DataType;

use super::scores::{Examples, matrix};

declare_op! {
    /// The inputs side by side as `f32`, each cut or padded with zeros to its width; a vector counts as one row.
    pub struct FeatureVectorizer("ai.onnx.ml", "FeatureVectorizer", 1) inputs(1, usize::MAX) outputs(1, 1) flags() {
        /// Width of each input.
        inputdimensions: Option<Vec<i64>> = None,
    }
}

impl FeatureVectorizer {
    /// Width that input `index` shall have, if the attribute says so.
    fn width(&self, index: usize) -> Result<Option<usize>, OpError> {
        let Some(widths) = self.inputdimensions.as_deref().filter(|w| !w.is_empty()) else { return Ok(None) };
        match widths.get(index).map(|&w| usize::try_from(w)) {
            Some(Ok(width)) => Ok(Some(width)),
            Some(Err(_)) => Err(OpError::attribute("inputdimensions", "expected sizes, got a negative one")),
            None => Err(OpError::attribute("inputdimensions", format!("has no size for input {index}"))),
        }
    }
}

impl Op for FeatureVectorizer {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let mut total = Dim::Fixed(0);
        let mut rows = Dim::Unknown;
        for index in 0..cx.n_inputs() {
            let dims = cx.shape(index).map(|s| s.dims());
            let own = match dims {
                Some([width]) => Some((Dim::Fixed(1), width.clone())),
                Some([count, width]) => Some((count.clone(), width.clone())),
                Some(_) => {
                    return Err(OpError::shape(format!("input {index}: expected rank 1 or 2")));
                }
                None => None,
            };
            if let Some((count, _)) = own.as_ref().filter(|_| rows.is_unknown()) {
                rows = count.clone();
            }
            let width = match self.width(index)? {
                Some(width) => Dim::Fixed(width as u64),
                None => own.map_or(Dim::Unknown, |(_, width)| width),
            };
            total = total.add(&width);
        }
        cx.set_tensor(0, Some(DataType::F32), Some([rows, total].into_iter().collect()));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let mut rows: Vec<Vec<f64>> = Vec::new();
        let mut total = 0usize;
        for index in 0..cx.n_inputs() {
            let x = Examples::new(cx, index)?;
            if index == 0 {
                rows = vec![Vec::new(); x.count];
            }
            if x.count != rows.len() {
                return Err(OpError::shape(format!(
                    "input {index}: expected {} rows, got {}",
                    rows.len(),
                    x.count
                )));
            }
            total = total.saturating_add(self.width(index)?.unwrap_or(x.features));
            crate::window_function::check_bytes(cx, &[rows.len().max(1), total], DataType::F32)?;
            for (row, own) in rows.iter_mut().zip(x.iter()) {
                row.extend_from_slice(&own[..own.len().min(total - row.len())]);
                row.resize(total, 0.0);
            }
        }
        cx.set(0, matrix(rows, total, DataType::F32)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn cuts_and_pads() {
        Case::new(FeatureVectorizer { inputdimensions: Some(vec![1, 2]) })
            .input(f32s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
            .input(f32s(&[2, 1], &[5.0, 6.0]))
            .expect(f32s(&[2, 3], &[1.0, 5.0, 0.0, 3.0, 6.0, 0.0]));
        Case::new(FeatureVectorizer { inputdimensions: None })
            .input(i64s(&[2], &[1, 2]))
            .input(i64s(&[1], &[3]))
            .expect(f32s(&[1, 3], &[1.0, 2.0, 3.0]));
    }
}
