//! `If`: <https://onnx.ai/onnx/operators/onnx__If.html>

use std::sync::Arc;

use lehr_graph::infer::infer_outputs;
use lehr_graph::{EvalCx, Graph, InferCx, Op, OpError, OpRef, declare_op};

declare_op! {
    /// Runs one of two subgraphs, which have no formal inputs.
    pub struct If("", "If", 25) inputs(1, usize::MAX) outputs(1, usize::MAX) flags(CONTROL_FLOW) {
        /// Run when the condition is true.
        then_branch: Arc<Graph>,
        /// Run when it is false.
        else_branch: Arc<Graph>,
    }
}

impl Op for If {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let captures: Vec<_> = (1..cx.n_inputs()).map(|i| cx.ty(i).cloned()).collect();
        let then_types = infer_outputs(&self.then_branch, &captures)?;
        let else_types = infer_outputs(&self.else_branch, &captures)?;
        if then_types.len() != else_types.len() {
            return Err(OpError::shape(format!(
                "both branches need the same number of outputs, got {} and {}",
                then_types.len(),
                else_types.len()
            )));
        }
        for (index, (a, b)) in then_types.iter().zip(&else_types).enumerate() {
            cx.set(index, a.join(b));
        }
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let condition = cx.tensor(0)?;
        if condition.len() != 1 {
            return Err(OpError::shape(format!("the condition needs one element, got {}", condition.len())));
        }
        let branch = if condition.as_slice::<bool>()?[0] { &self.then_branch } else { &self.else_branch };
        let outputs = cx.run_graph(branch, cx.inputs()[1..].to_vec())?;
        for (index, value) in outputs.into_iter().enumerate() {
            cx.set(index, value);
        }
        Ok(())
    }

    fn subgraphs(&self) -> Vec<(&'static str, &Arc<Graph>)> {
        vec![("then_branch", &self.then_branch), ("else_branch", &self.else_branch)]
    }

    fn with_subgraphs(&self, graphs: Vec<Arc<Graph>>) -> Option<OpRef> {
        let [then_branch, else_branch] = graphs.try_into().ok()?;
        Some(Arc::new(Self { then_branch, else_branch }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_graph::ValueType;
    use lehr_tensor::Tensor;

    fn capture_only(which: usize) -> Arc<Graph> {
        let mut g = Graph::new("branch");
        let captured = [g.add_capture("a", ValueType::Unknown), g.add_capture("b", ValueType::Unknown)];
        g.set_outputs(vec![captured[which]]);
        Arc::new(g)
    }

    #[test]
    fn runs_the_chosen_branch() {
        for (condition, expected) in [(true, 1.0f32), (false, 2.0)] {
            Case::new(If { then_branch: capture_only(0), else_branch: capture_only(1) })
                .input(Tensor::scalar(condition))
                .input(Tensor::vector(vec![1.0f32]))
                .input(Tensor::vector(vec![2.0f32]))
                .expect(Tensor::vector(vec![expected]));
        }
    }
}
