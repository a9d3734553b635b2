//! `TfIdfVectorizer`: <https://onnx.ai/onnx/operators/onnx__TfIdfVectorizer.html>

use std::collections::HashMap;
use std::hash::Hash;

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, attribute_enum, declare_op};
use lehr_tensor::{DataType, Tensor};

use crate::movement::check_size;

attribute_enum! {
    /// What is written for an n-gram.
    pub enum Weighting {
        /// How often it occurs.
        Count = "TF",
        /// Its weight if it occurs.
        Presence = "IDF",
        /// Its weight times how often it occurs.
        WeightedCount = "TFIDF",
    }
}

declare_op! {
    /// Counts the n-grams of a pool in each row of the input `[C]` or `[N, C]`.
    pub struct TfIdfVectorizer("", "TfIdfVectorizer", 9) inputs(1, 1) outputs(1, 1) flags() {
        /// Longest n-grams.
        max_gram_length: i64,
        /// Most items that are skipped between two items of an n-gram.
        max_skip_count: i64,
        /// Shortest n-grams.
        min_gram_length: i64,
        /// What is written for an n-gram.
        mode: Weighting,
        /// Where in the pool the n-grams of length 1, 2 … start.
        ngram_counts: Vec<i64>,
        /// The output place of each n-gram of the pool.
        ngram_indexes: Vec<i64>,
        /// The pool for integer inputs.
        pool_int64s: Option<Vec<i64>> = None,
        /// The pool for texts.
        pool_strings: Option<Vec<String>> = None,
        /// The weight of each n-gram of the pool; 1 by default.
        weights: Option<Vec<f32>> = None,
    }
}

impl TfIdfVectorizer {
    fn width(&self) -> Result<usize, OpError> {
        let wrong = || OpError::attribute("ngram_indexes", "holds a number that is no place");
        let mut width = 0;
        for &index in &self.ngram_indexes {
            let place = usize::try_from(index).ok().and_then(|i| i.checked_add(1)).ok_or_else(wrong)?;
            width = width.max(place);
        }
        Ok(width)
    }

    /// The number of each n-gram of the pool that is not too short or too long.
    fn pool<'a, T: Hash + Eq>(&self, items: &'a [T]) -> Result<HashMap<&'a [T], usize>, OpError> {
        let mut pool = HashMap::new();
        let mut number = 0;
        for (position, &start) in self.ngram_counts.iter().enumerate() {
            let end = self.ngram_counts.get(position + 1).copied();
            let range = usize::try_from(start).ok().zip(match end {
                Some(end) => usize::try_from(end).ok(),
                None => Some(items.len()),
            });
            let grams = range.and_then(|(start, end)| items.get(start..end)).ok_or_else(|| {
                OpError::attribute("ngram_counts", format!("{:?} does not fit the pool", self.ngram_counts))
            })?;
            let length = position + 1;
            let counted = (self.min_gram_length..=self.max_gram_length).contains(&(length as i64));
            for gram in grams.chunks_exact(length) {
                if counted {
                    pool.insert(gram, number);
                }
                number += 1;
            }
        }
        if number > self.ngram_indexes.len() {
            return Err(OpError::attribute(
                "ngram_indexes",
                format!("has {} entries for {number} n-grams", self.ngram_indexes.len()),
            ));
        }
        Ok(pool)
    }

    fn vectors<T: Hash + Eq + Clone>(
        &self,
        rows: &[&[T]],
        items: &[T],
        out: &mut [f32],
    ) -> Result<(), OpError> {
        let pool = self.pool(items)?;
        let width = self.width()?;
        let longest = usize::try_from(self.max_gram_length).unwrap_or(0).min(self.ngram_counts.len());
        let shortest = usize::try_from(self.min_gram_length).unwrap_or(0).max(1);
        let skips = usize::try_from(self.max_skip_count).unwrap_or(0);
        for (row, out) in rows.iter().zip(out.chunks_mut(width.max(1))) {
            let mut counts = vec![0u32; self.ngram_indexes.len()];
            for length in shortest..=longest {
                // Single items have nothing between them to skip.
                let steps = if length == 1 { 1 } else { skips.saturating_add(1).min(row.len()) };
                for step in 1..=steps {
                    let reach = step.saturating_mul(length - 1);
                    for start in 0..row.len().saturating_sub(reach) {
                        let gram: Vec<T> = (0..length).map(|i| row[start + i * step].clone()).collect();
                        if let Some(&number) = pool.get(&gram[..]) {
                            counts[number] = counts[number].saturating_add(1);
                        }
                    }
                }
            }
            for (number, &count) in counts.iter().enumerate().filter(|(_, c)| **c > 0) {
                let weight = self.weights.as_ref().and_then(|w| w.get(number).copied()).unwrap_or(1.0);
                let place = usize::try_from(self.ngram_indexes[number]).unwrap_or(0);
                out[place] += match self.mode {
                    Weighting::Count => count as f32,
                    Weighting::Presence => weight,
                    Weighting::WeightedCount => weight * count as f32,
                };
            }
        }
        Ok(())
    }
}

impl Op for TfIdfVectorizer {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.dtype(0)?;
        let width = Dim::from(self.width()?);
        let shape = match cx.shape(0).map(Shape::dims) {
            Some([_]) => Some(Shape::from([width])),
            Some([n, _]) => Some(Shape::from([n.clone(), width])),
            Some(dims) => return Err(OpError::shape(format!("expected 1 or 2 axes, got {}", dims.len()))),
            None => None,
        };
        cx.set_tensor(0, Some(DataType::F32), shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let width = self.width()?;
        let (rows, columns, shape) = match *x.shape() {
            [c] => (1, c, vec![width]),
            [n, c] => (n, c, vec![n, width]),
            ref other => return Err(OpError::shape(format!("expected 1 or 2 axes, got {other:?}"))),
        };
        let mut out = vec![0.0; check_size(cx.environment(), DataType::F32, &shape)?];
        match (&self.pool_int64s, &self.pool_strings) {
            (_, Some(pool)) if x.dtype() == DataType::String => {
                let values = x.strings()?;
                self.vectors(&split_rows(values, rows, columns), pool, &mut out)?;
            }
            (Some(pool), _) if x.dtype() != DataType::String => {
                let values = x.to_i64s()?;
                self.vectors(&split_rows(&values, rows, columns), pool, &mut out)?;
            }
            _ => return Err(OpError::input_type(0, "the type of the pool", x.dtype())),
        }
        cx.set(0, Tensor::from_vec(&shape, out)?);
        Ok(())
    }
}

/// Rows of equal length; none of them is there when there are no elements, as they stay zero.
fn split_rows<T>(values: &[T], rows: usize, columns: usize) -> Vec<&[T]> {
    if columns == 0 { Vec::new() } else { values.chunks(columns).take(rows).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s, texts};

    fn op(mode: Weighting) -> TfIdfVectorizer {
        TfIdfVectorizer {
            max_gram_length: 2,
            max_skip_count: 5,
            min_gram_length: 2,
            mode,
            ngram_counts: vec![0, 4],
            ngram_indexes: vec![0, 1, 2, 3, 4, 5, 6],
            pool_int64s: Some(vec![2, 3, 5, 4, 5, 6, 7, 8, 6, 7]),
            pool_strings: None,
            weights: Some(vec![1.0, 1.0, 1.0, 1.0, 2.0, 3.0, 4.0]),
        }
    }

    #[test]
    fn counts_and_weighs_pairs_with_skips() {
        let x = i64s(&[12], &[1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8]);
        for (mode, want) in [
            (Weighting::Count, [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]),
            (Weighting::WeightedCount, [0.0, 0.0, 0.0, 0.0, 2.0, 3.0, 4.0]),
        ] {
            let mut op = op(mode);
            op.max_skip_count = 0;
            Case::new(op).input(x.clone()).expect(f32s(&[7], &want));
        }
        Case::new(op(Weighting::Count))
            .input(i64s(&[2, 3], &[5, 6, 6, 1, 2, 3]))
            .expect(f32s(&[2, 7], &[0., 0., 0., 0., 2., 0., 0., 0., 0., 0., 0., 0., 0., 0.]));
        Case::new(op(Weighting::Count)).input(texts(&[1], &["a"])).expect_error("type of the pool");
    }
}
