//! `DictVectorizer`: <https://onnx.ai/onnx/operators/onnx_aionnxml_DictVectorizer.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, ValueType, declare_op};
use lehr_tensor::Tensor;

use super::lookup::{Key, keys, places};
use super::maps::{Entries, map_input};

declare_op! {
    /// The values of a map in the order of a vocabulary of keys, zero where the map has no such key. The shape is
    /// `[1, n]`, as ONNX Runtime gives it; keys outside the vocabulary are dropped.
    pub struct DictVectorizer("ai.onnx.ml", "DictVectorizer", 1) inputs(1, 1) outputs(1, 1) flags() {
        /// The keys, for a map with texts.
        string_vocabulary: Option<Vec<String>> = None,
        /// The keys, for a map with integers.
        int64_vocabulary: Option<Vec<i64>> = None,
    }
}

impl DictVectorizer {
    fn vocabulary(&self) -> Vec<Key> {
        match self.string_vocabulary.as_deref() {
            Some(texts @ [_, ..]) => texts.iter().cloned().map(Key::Text).collect(),
            _ => self.int64_vocabulary.iter().flatten().copied().map(Key::Int).collect(),
        }
    }
}

impl Op for DictVectorizer {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = match cx.require(0)? {
            ValueType::Map { value, .. } => value.dtype(),
            ValueType::Unknown => None,
            other => {
                return Err(OpError::InputKind { index: 0, expected: "a map", got: other.to_string() });
            }
        };
        let len = Dim::Fixed(self.vocabulary().len() as u64);
        cx.set_tensor(0, dtype, Some([Dim::Fixed(1), len].into_iter().collect()));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let map = map_input(cx, 0)?;
        let at = places(keys(&map.keys)?);
        let order: Vec<_> = self.vocabulary().iter().map(|key| at.get(key).copied()).collect();
        let y: Tensor = Entries::new(map)?.placed(&order)?;
        cx.set(0, y.reshape(&[1, order.len()])?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::maps::map;
    use crate::testing::{Case, i64s};

    #[test]
    fn follows_the_vocabulary() {
        let texts = |t: &[&str]| t.iter().map(|s| s.to_string()).collect::<Vec<_>>();
        let keys = Tensor::from_strings(&[2], texts(&["c", "a"])).unwrap();
        Case::new(DictVectorizer {
            string_vocabulary: Some(texts(&["a", "c", "b", "z"])),
            int64_vocabulary: None,
        })
        .input(map(keys, i64s(&[2], &[8, 4])))
        .expect(i64s(&[1, 4], &[4, 8, 0, 0]));
    }
}
