//! The tensors of a bundle for the decoder of graphs.

use lehr_graph::wire::ConstantSource;
use lehr_tensor::Tensor;

/// Tensors by index.
pub(super) struct Constants(pub Vec<Tensor>);

impl ConstantSource for Constants {
    fn get(&self, index: u64) -> Option<Tensor> {
        self.0.get(usize::try_from(index).ok()?).cloned()
    }
}
