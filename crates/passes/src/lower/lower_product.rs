//! Makes a `Linear` of a MatMul or Gemm with a constant matrix of 32-bit floats on its right.

use std::sync::Arc;

use lehr_graph::{Graph, Node, PatchBuilder, PatchValue, ValueId};
use lehr_ops::gemm::Gemm;
use lehr_ops::lowered::linear::Linear;
use lehr_ops::matmul::MatMul;
use lehr_tensor::{DataType, Tensor};

use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct LowerProduct;

impl Rewrite for LowerProduct {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "lower_product",
            doc: "makes products with constant matrices ready to take up what follows them",
            level: OptLevel::O1,
            exactness: Exactness::Rounding,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| op.is::<MatMul>() || op.is::<Gemm>())
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let (Some(x), Some(w)) = (node.input(0), node.input(1)) else { return Err(Reject::NoEffect) };
        let y = result(found, graph)?;
        let weights = graph.constant(w).ok_or(Reject::NoEffect)?;
        let is_float = |value: ValueId| graph.value(value).ty().dtype() == Some(DataType::F32);
        if !is_float(x) || !is_float(w) || weights.rank() != 2 || weights.is_empty() {
            return Err(Reject::because("it is no product with a matrix of 32-bit floats"));
        }
        let mut linear = Linear { activation: None, activation_params: None, transposed: false };
        let mut inputs = vec![Some(x.into()), Some(w.into())];
        if let Some(gemm) = node.op().downcast_ref::<Gemm>() {
            if gemm.transA || gemm.alpha != 1.0 {
                return Err(Reject::because("its left operand is transposed or multiplied"));
            }
            linear.transposed = gemm.transB;
            inputs.extend(gemm_bias(graph, node, gemm, y)?.map(|bias| Some(patch.constant(bias))));
        } else if graph.value(x).ty().shape().is_none_or(|shape| shape.rank() == 0) {
            return Err(Reject::because("the rank of its left operand is not known"));
        }
        let product = patch.node(Arc::new(linear), &inputs, 1)?;
        patch.replace(y, product.first().copied().ok_or(Reject::NoEffect)?);
        Ok(())
    }
}

/// The constant that a Gemm adds to each row.
fn gemm_bias(graph: &Graph, node: &Node, gemm: &Gemm, y: ValueId) -> Result<Option<Tensor>, Reject> {
    let Some(bias) = node.input(2) else { return Ok(None) };
    if gemm.beta != 1.0 {
        return Err(Reject::because("what it adds is multiplied"));
    }
    row_constant(graph, bias, y).map(Some).ok_or_else(|| Reject::because("what it adds is no constant row"))
}

/// The constant `value` as a vector, if it adds the same 32-bit floats to every row of `sum`, one to each column.
pub(super) fn row_constant(graph: &Graph, value: ValueId, sum: ValueId) -> Option<Tensor> {
    let tensor = graph.constant(value).filter(|tensor| tensor.dtype() == DataType::F32)?;
    let shape = graph.value(sum).ty().shape()?;
    let columns = shape.dims().last()?.as_fixed()?;
    let [outer @ .., own] = tensor.shape() else { return None };
    let fits = *own == columns && outer.iter().all(|&size| size == 1) && tensor.rank() <= shape.rank();
    if fits { tensor.reshape(&[columns]).ok() } else { None }
}

/// The node that makes `value` for one reader, if it is a `Linear` to whose sums nothing is done yet but for a bias.
pub(super) fn bare_linear(graph: &Graph, value: ValueId) -> Option<(&Node, &Linear)> {
    let node = graph.node(graph.producer(value)?);
    let linear = node.op().downcast_ref::<Linear>()?;
    let is_bare =
        linear.activation.is_none() && node.input(3).is_none() && graph.value(value).uses().len() == 1;
    is_bare.then_some((node, linear))
}

/// The inputs of a node.
pub(super) fn inputs_of(node: &Node) -> Vec<Option<PatchValue>> {
    node.inputs().iter().map(|value| value.map(PatchValue::from)).collect()
}
