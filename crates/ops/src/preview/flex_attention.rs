//! `FlexAttention`: <https://onnx.ai/onnx/operators/onnx_aionnxpreview_FlexAttention.html>

use std::sync::Arc;

use lehr_graph::infer::infer_outputs;
use lehr_graph::{Datum, Dim, EvalCx, Graph, InferCx, Op, OpError, OpRef, ValueType, declare_op};
use lehr_tensor::DataType;

use crate::heads::{Heads, limit, scores, softmax, weigh};

declare_op! {
    /// `prob_mod(softmax(score_mod(scale·Q·Kᵀ)))·V` per head; heads of keys and values may be shared by groups of query
    /// heads. Inputs: Q, K, V (batch, heads, positions, features).
    pub struct FlexAttention("ai.onnx.preview", "FlexAttention", 1) inputs(3, usize::MAX) outputs(1, 1)
    flags(CONTROL_FLOW) {
        /// Changes the weights after the softmax, keeping shape and type.
        prob_mod: Option<Arc<Graph>> = None,
        /// Changes the scores before the softmax, keeping shape and type.
        score_mod: Option<Arc<Graph>> = None,
        /// Type of scores and weights; `f32` by default, `f64` for `f64` inputs.
        softmax_precision: Option<DataType> = None,
        /// Factor of the scores; 1/√features by default.
        scale: Option<f32> = None,
    }
}

impl FlexAttention {
    fn precision(&self, dtype: DataType) -> DataType {
        let default = if dtype == DataType::F64 { DataType::F64 } else { DataType::F32 };
        self.softmax_precision.unwrap_or(default)
    }

    /// `values` after the subgraph `name`.
    fn modified(
        &self,
        cx: &EvalCx<'_>,
        name: &str,
        graph: Option<&Arc<Graph>>,
        values: Heads,
        dtype: DataType,
    ) -> Result<Heads, OpError> {
        let Some(graph) = graph else { return Ok(values) };
        let mut inputs = vec![Some(Datum::Tensor(values.to_tensor(dtype)?))];
        inputs.extend(cx.inputs().iter().skip(3).cloned());
        match cx.run_graph(graph, inputs)?.as_slice() {
            [Datum::Tensor(out)] if *out.shape() == values.dims => Heads::of(out, 0),
            _ => Err(OpError::attribute(
                name,
                format!("expected a graph that gives one tensor of shape {:?}", values.dims),
            )),
        }
    }
}

impl Op for FlexAttention {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let axis = |index: usize, axis: usize| -> Dim {
            cx.shape(index).and_then(|s| s.get(axis)).cloned().unwrap_or(Dim::Unknown)
        };
        for index in 0..3 {
            if let Some(rank) = cx.rank(index).filter(|&r| r != 4) {
                return Err(OpError::shape(format!("input {index}: expected rank 4, got rank {rank}")));
            }
        }
        let dims = [axis(0, 0), axis(0, 1), axis(0, 2), axis(2, 3)];
        let score_dims = [axis(0, 0), axis(0, 1), axis(0, 2), axis(1, 2)];
        if let Some(dtype) = dtype {
            let score = ValueType::tensor(self.precision(dtype), score_dims.into_iter().collect());
            let mut inputs = vec![Some(score)];
            inputs.extend((3..cx.n_inputs()).map(|i| cx.ty(i).cloned()));
            for graph in [&self.score_mod, &self.prob_mod].into_iter().flatten() {
                infer_outputs(graph, &inputs)?;
            }
        }
        cx.set_tensor(0, dtype, Some(dims.into_iter().collect()));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let dtype = cx.tensor(0)?.dtype();
        let precision = self.precision(dtype);
        let (q, k) = (Heads::of(cx.tensor(0)?, 0)?, Heads::of(cx.tensor(1)?, 1)?);
        let v = Heads::of(cx.tensor(2)?, 2)?;
        let scale = self.scale.map_or_else(|| 1.0 / (q.dims[3] as f64).sqrt(), f64::from);
        let scores = scores(&q, &k, scale, limit(cx))?;
        let mut weights = self.modified(cx, "score_mod", self.score_mod.as_ref(), scores, precision)?;
        let keys = weights.dims[3].max(1);
        weights.data.chunks_mut(keys).for_each(softmax);
        let weights = self.modified(cx, "prob_mod", self.prob_mod.as_ref(), weights, precision)?;
        let y = weigh(&weights, &v, limit(cx))?;
        cx.set(0, y.to_tensor(dtype)?);
        Ok(())
    }

    fn subgraphs(&self) -> Vec<(&'static str, &Arc<Graph>)> {
        let score = self.score_mod.as_ref().map(|g| ("score_mod", g));
        let prob = self.prob_mod.as_ref().map(|g| ("prob_mod", g));
        score.into_iter().chain(prob).collect()
    }

    fn with_subgraphs(&self, graphs: Vec<Arc<Graph>>) -> Option<OpRef> {
        let mut graphs = graphs.into_iter();
        let score_mod = self.score_mod.as_ref().and_then(|_| graphs.next());
        let prob_mod = self.prob_mod.as_ref().and_then(|_| graphs.next());
        Some(Arc::new(Self { prob_mod, score_mod, ..self.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abs::Abs;
    use crate::testing::{Case, f32s};
    use lehr_graph::Origin;

    #[test]
    fn scores_pass_through_the_subgraph() {
        let mut g = Graph::new("score_mod");
        let x = g.add_input("scores", ValueType::Unknown);
        let node = g.add_node(Arc::new(Abs {}), vec![Some(x)], 1, "", Origin::default()).unwrap();
        let out = g.node(node).outputs()[0];
        g.set_outputs(vec![out]);
        // |±1| makes both keys count the same.
        Case::new(FlexAttention {
            prob_mod: None,
            score_mod: Some(Arc::new(g)),
            softmax_precision: None,
            scale: Some(1.0),
        })
        .input(f32s(&[1, 1, 1, 1], &[1.0]))
        .input(f32s(&[1, 1, 2, 1], &[1.0, -1.0]))
        .input(f32s(&[1, 1, 2, 1], &[2.0, 4.0]))
        .expect(f32s(&[1, 1, 1, 1], &[3.0]));
    }
}
